package io.xenemu.core.pv;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.Eventually;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.Domains;
import io.xenemu.xenstore.IntroducedRing;
import io.xenemu.xenstore.Quotas;
import io.xenemu.xenstore.XenStoreClient;
import io.xenemu.xenstore.XenStoreMetrics;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.tree.Permissions;
import java.io.BufferedReader;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Domain 3, and after its guest's reboot domain 4, uses what domain 5 serves.
final class PvDevicesTest {
    private static final DomId USER = new DomId(3);
    private static final DomId NEXT = new DomId(4);
    private static final DomId SERVER = new DomId(5);
    private static final String FRONT = "/local/domain/3/device/vbd/51712";
    private static final String BACK = "/local/domain/5/backend/vbd/3/51712";
    private static final String RECORD = "/libxl/3/device/vbd/51712";

    /// Of a test that waits in vain.
    private static final Duration SHORT = Duration.ofMillis(100);

    /// Of one that does not.
    private static final Duration LONG = Duration.ofMinutes(1);

    private final XenStoreServer store =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    new World(),
                    new XenStoreMetrics(new SimpleMeterRegistry()),
                    Runnable::run);
    private final XenStoreClient client = store.client();

    private static final class World implements Domains {
        @Override
        public boolean exists(DomId domain) {
            return Set.of(DomId.DOM0, USER, NEXT, SERVER).contains(domain);
        }

        @Override
        public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
            throw XenError.EINVAL;
        }

        @Override
        public void released(DomId domain) {}
    }

    @BeforeEach
    void domains() throws XenError {
        for (DomId domain : List.of(USER, NEXT, SERVER)) {
            int id = domain.value();
            client.mkdir("/local/domain/" + id);
            client.setPermissions("/local/domain/" + id, Permissions.of("n0", "r" + id));
            client.mkdir("/local/domain/" + id + "/device/suspend");
        }
    }

    @AfterEach
    void close() {
        store.close();
    }

    /// A back end as Linux's, and the agent of its domain that runs hotplug scripts.
    private void serve() {
        XenStoreClient driver = store.client();
        XenStoreClient.Registration _ =
                driver.watch("/local/domain/5/backend", path -> driverSees(driver, path));
    }

    private static void driverSees(XenStoreClient driver, String path) {
        String state = path.replaceAll("/[a-z-]+$", "/state");
        try {
            if (path.endsWith("/backend") || !driver.exists(state)) {
                return;
            }
            switch (driver.read(state)) {
                case "1" -> driver.write(state, "2");
                case "5" -> driver.write(state, "6");
                case "6" -> driver.rm(state.replace("/state", ""));
                default -> {
                    // Nothing to do.
                }
            }
        } catch (XenError e) {
            throw new IllegalStateException(e);
        }
    }

    private static DiskSpec disk(String vdev) throws DeviceRefused {
        return DiskSpec.parse(List.of("/dev/ram0,raw," + vdev + ",rw,backend=db"));
    }

    private static NicSpec nic(String more) throws DeviceRefused {
        return NicSpec.parse(
                List.of("mac=00:16:3e:01:02:03,backend=db,ip=10.0.0.2" + more), new Random(1));
    }

    private static PvDevice attach(PvDevices devices, DomId user, DeviceSpec spec)
            throws DeviceRefused, InterruptedException {
        PvDevice device = devices.create(user, SERVER, spec);
        devices.awaitBackend(device, spec);
        return device;
    }

    private String dump(String path) throws XenError {
        StringBuilder text = new StringBuilder();
        dump(path, path, text);
        return text.toString();
    }

    private void dump(String top, String path, StringBuilder text) throws XenError {
        for (String name : client.list(path)) {
            String child = path + "/" + name;
            text.append(child.substring(top.length() + 1))
                    .append(" = ")
                    .append(client.read(child))
                    .append(" (")
                    .append(client.permissions(child))
                    .append(")\n");
            dump(top, child, text);
        }
    }

    @Test
    void diskHasTheNodesThatLibxlWrites() throws XenError, DeviceRefused {
        try (PvDevices devices = new PvDevices(store)) {
            devices.create(USER, SERVER, disk("xvda"));
        }

        assertEquals(
                """
                backend = /local/domain/5/backend/vbd/3/51712 (n3 r5)
                backend-id = 5 (n3 r5)
                state = 1 (n3 r5)
                virtual-device = 51712 (n3 r5)
                device-type = disk (n3 r5)
                trusted = 1 (n3 r5)
                """,
                dump(FRONT));
        assertEquals(
                """
                frontend = /local/domain/3/device/vbd/51712 (n5 r3)
                params = /dev/ram0 (n5 r3)
                script = /etc/xen/scripts/block (n5 r3)
                frontend-id = 3 (n5 r3)
                online = 1 (n5 r3)
                removable = 0 (n5 r3)
                bootable = 1 (n5 r3)
                state = 1 (n5 r3)
                dev = xvda (n5 r3)
                type = phy (n5 r3)
                mode = w (n5 r3)
                device-type = disk (n5 r3)
                discard-enable = 1 (n5 r3)
                """,
                dump(BACK));
        assertEquals("n3 r5", client.permissions(FRONT).toString());
        assertEquals("n5 r3", client.permissions(BACK).toString());
        assertEquals("n0 r5", client.permissions("/local/domain/5/backend/vbd").toString());
        assertEquals("n0 r3", client.permissions("/local/domain/3/device/vbd").toString());
    }

    @Test
    void recordIsDomain0sAlone() throws XenError, DeviceRefused {
        try (PvDevices devices = new PvDevices(store)) {
            devices.create(USER, SERVER, disk("xvda"));
        }

        assertEquals(FRONT, client.read(RECORD + "/frontend"));
        assertEquals(BACK, client.read(RECORD + "/backend"));
        assertEquals("/dev/ram0", client.read(RECORD + "/params"));
        assertEquals("n0", client.permissions(RECORD + "/backend").toString());
    }

    @Test
    void networkInterfaceHasTheNodesThatLibxlWrites() throws XenError, DeviceRefused {
        try (PvDevices devices = new PvDevices(store)) {
            devices.create(USER, SERVER, nic(""));
        }

        assertEquals(
                """
                backend = /local/domain/5/backend/vif/3/0 (n3 r5)
                backend-id = 5 (n3 r5)
                state = 1 (n3 r5)
                handle = 0 (n3 r5)
                mac = 00:16:3e:01:02:03 (n3 r5)
                trusted = 1 (n3 r5)
                mtu = 1500 (n5 r3)
                """,
                dump("/local/domain/3/device/vif/0"));
        assertEquals(
                """
                frontend = /local/domain/3/device/vif/0 (n5 r3)
                frontend-id = 3 (n5 r3)
                online = 1 (n5 r3)
                state = 1 (n5 r3)
                script = /etc/xen/scripts/vif-bridge (n5 r3)
                mac = 00:16:3e:01:02:03 (n5 r3)
                ip = 10.0.0.2 (n5 r3)
                bridge = xenbr0 (n5 r3)
                handle = 0 (n5 r3)
                type = vif (n5 r3)
                hotplug-status =  (n5 r3)
                """,
                dump("/local/domain/5/backend/vif/3/0"));
    }

    @Test
    void networkInterfacesAreNumbered() throws DeviceRefused {
        try (PvDevices devices = new PvDevices(store)) {
            assertEquals(0, devices.create(USER, SERVER, nic("")).id());
            assertEquals(7, devices.create(USER, SERVER, nic(",devid=7")).id());
            assertEquals(8, devices.create(USER, SERVER, nic("")).id());
        }
    }

    @Test
    void secondDiskOfANumberIsRefused() throws DeviceRefused {
        try (PvDevices devices = new PvDevices(store)) {
            devices.create(USER, SERVER, disk("xvda"));

            DeviceRefused e =
                    assertThrows(
                            DeviceRefused.class, () -> devices.create(USER, SERVER, disk("d0p0")));
            assertEquals("the domain has such a device already", e.reason());
        }
    }

    @Test
    void domainThatEndsGetsNoDevice() throws XenError, DeviceRefused {
        try (PvDevices devices = new PvDevices(store)) {
            devices.frontendEnds(USER);
            for (DomId user : List.of(USER, new DomId(9))) {
                DeviceRefused e =
                        assertThrows(
                                DeviceRefused.class,
                                () -> devices.create(user, SERVER, disk("xvda")));
                assertEquals("one of the domains is just starting or ending", e.reason());
            }
        }
        assertFalse(client.exists("/libxl"));
    }

    @Test
    void tooLongAValueLeavesNothing() throws XenError, DeviceRefused {
        try (PvDevices devices = new PvDevices(store)) {
            DeviceSpec spec =
                    DiskSpec.parse(List.of("vdev=xvda,backend=db,target=" + "x".repeat(5000)));

            assertThrows(DeviceRefused.class, () -> devices.create(USER, SERVER, spec));
        }
        assertFalse(client.exists(FRONT));
        assertFalse(client.exists("/libxl"));
    }

    @Test
    void deviceIsTakenAndLetGoOf() throws XenError, DeviceRefused, InterruptedException {
        String before = dump("/local");
        serve();
        try (PvDevices devices = new PvDevices(store, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            devices.awaitBackend(device, disk("xvda"));
            assertEquals("2", client.read(BACK + "/state"));
            assertEquals(device, devices.find(DeviceKind.VBD, USER, "xvda"));

            devices.detach(device, Removal.ORDERLY);
            assertThrows(DeviceRefused.class, () -> devices.find(DeviceKind.VBD, USER, "xvda"));
        }
        assertEquals(before, dump("/local"));
        assertFalse(client.exists("/libxl/3"));
    }

    @Test
    void deviceThatNobodyTakesIsRemoved() throws XenError, DeviceRefused {
        String before = dump("/local");
        try (PvDevices devices = new PvDevices(store, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));

            DeviceRefused e =
                    assertThrows(
                            DeviceRefused.class, () -> devices.awaitBackend(device, disk("xvda")));
            assertEquals(
                    "dom5 has not taken the device within 0 s: does it run, with xen-blkback?",
                    e.reason());
        }
        assertEquals(before, dump("/local"));
    }

    @Test
    void deviceThatIsNotLetGoOfStays() throws XenError, DeviceRefused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            client.write(BACK + "/state", "4");

            DeviceRefused e =
                    assertThrows(
                            DeviceRefused.class, () -> devices.detach(device, Removal.ORDERLY));
            assertEquals(
                    "dom5 has not let go of the device within 0 s; --force removes it", e.reason());
            assertEquals("5", client.read(BACK + "/state"));
            assertEquals("0", client.read(BACK + "/online"));
            assertTrue(client.exists(FRONT));

            devices.detach(device, Removal.FORCED);
            assertFalse(client.exists(FRONT));
            assertFalse(client.exists(BACK));
            assertFalse(client.exists(RECORD));
        }
    }

    @Test
    void forceIsUsedAfterTheLimit() throws XenError, DeviceRefused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, nic(""));

            devices.detach(device, Removal.FORCED_AFTER_LIMIT);
        }
        assertFalse(client.exists("/local/domain/3/device/vif"));
        assertFalse(client.exists("/local/domain/5/backend"));
    }

    @Test
    void closedBackEndKeepsItsState() throws XenError, DeviceRefused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            client.write(BACK + "/state", "6");

            devices.detach(device, Removal.ORDERLY);
        }
        assertFalse(client.exists(BACK));
    }

    @Test
    void guestCannotMisleadByWhatItWrites() throws XenError, DeviceRefused, InterruptedException {
        serve();
        try (PvDevices devices = new PvDevices(store, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            devices.awaitBackend(device, disk("xvda"));
            client.write(FRONT + "/backend", "/local/domain/0/backend/console/3");
            client.write(FRONT + "/backend-id", "0");
            client.write(FRONT + "/state", "-2147483648x");
            client.write("/local/domain/0/backend/console/3/0/state", "4");

            assertEquals(device, devices.find(DeviceKind.VBD, USER, "51712"));
            assertEquals(
                    "51712 5   3      -1    -1     -1       " + BACK,
                    devices.table(DeviceKind.VBD, List.of(USER)).getLast());
            devices.detach(device, Removal.ORDERLY);
        }
        assertEquals("4", client.read("/local/domain/0/backend/console/3/0/state"));
    }

    @Test
    void devicesAreListed() throws XenError, DeviceRefused {
        try (PvDevices devices = new PvDevices(store)) {
            devices.create(USER, SERVER, disk("xvda"));
            devices.create(USER, SERVER, nic(""));
            client.write(FRONT + "/ring-ref", "8");
            client.write(FRONT + "/event-channel", "15");

            assertEquals(
                    List.of(
                            "Vdev  BE  handle state evt-ch ring-ref BE-path",
                            "51712 5   3      1     15     8        " + BACK),
                    devices.table(DeviceKind.VBD, List.of(USER, SERVER)));
            assertEquals(
                    List.of(
                            "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path",
                            "0   5  00:16:3e:01:02:03      0     1     -1    -1/-1          "
                                    + "/local/domain/5/backend/vif/3/0"),
                    devices.table(DeviceKind.VIF, List.of(USER)));
            assertEquals(0, devices.find(DeviceKind.VIF, USER, "00:16:3E:1:2:3").id());
        }
    }

    @Test
    void deadDomainsDevicesAreTakenFromWhoServesThem()
            throws XenError, DeviceRefused, InterruptedException {
        serve();
        try (PvDevices devices = new PvDevices(store, LONG)) {
            attach(devices, USER, disk("xvda"));
            attach(devices, USER, nic(""));

            devices.frontendEnds(USER);
            assertFalse(client.exists("/local/domain/3/device"));
            Eventually.holds("the back end goes", () -> !client.exists("/local/domain/5/backend"));
        }
        assertFalse(client.exists("/libxl/3"));
    }

    @Test
    void deadDomainsDevicesDoNotStayWithWhoIgnoresThat()
            throws XenError, DeviceRefused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, SHORT)) {
            devices.create(USER, SERVER, disk("xvda"));
            client.write(BACK + "/state", "4");

            devices.frontendEnds(USER);
            assertEquals("5", client.read(BACK + "/state"));
            assertEquals("0", client.read(BACK + "/online"));
            Eventually.holds("the back end goes", () -> !client.exists(BACK));
        }
        assertFalse(client.exists("/local/domain/5/backend"));
    }

    @Test
    void devicesComeBackAfterAReboot() throws XenError, DeviceRefused, InterruptedException {
        serve();
        try (PvDevices devices = new PvDevices(store, LONG)) {
            attach(devices, USER, disk("xvda"));
            PvDevice gone = attach(devices, USER, disk("xvdb"));
            attach(devices, USER, nic(",devid=2"));
            attach(devices, USER, nic(",mac=00:16:3e:0a:0b:0c"));
            attach(devices, NEXT, disk("xvdc"));
            devices.detach(gone, Removal.ORDERLY);

            KeptDevices kept = devices.frontendReboots(USER);
            done(kept.removed());
            assertFalse(client.exists("/local/domain/5/backend/vbd/3"));
            done(devices.makeAgain(kept, spec -> devices.create(NEXT, SERVER, spec)));

            assertEquals(List.of("51744", "51712"), client.list("/libxl/4/device/vbd"));
            assertEquals("2", client.read("/local/domain/5/backend/vbd/4/51712/state"));
            assertEquals(List.of("2", "3"), client.list("/libxl/4/device/vif"));
            assertEquals("00:16:3e:0a:0b:0c", client.read("/libxl/4/device/vif/3/mac"));
            assertFalse(client.exists("/libxl/3"));
        }
    }

    /// `join` does not end when the test's time is over.
    private static void done(CompletableFuture<?> future) {
        future.copy().orTimeout(60, TimeUnit.SECONDS).join();
    }

    /// What happens to devices, in a process of its own: the log's level is that of a process.
    static final class Life {
        private Life() {}

        public static void main(String[] args)
                throws XenError, DeviceRefused, InterruptedException {
            PvDevicesTest test = new PvDevicesTest();
            test.domains();
            try (PvDevices devices = new PvDevices(test.store, SHORT)) {
                PvDevice ignored = devices.create(USER, SERVER, disk("xvdb"));
                assertThrows(
                        DeviceRefused.class, () -> devices.awaitBackend(ignored, disk("xvdb")));
            }
            test.serve();
            try (PvDevices devices = new PvDevices(test.store, LONG)) {
                attach(devices, USER, disk("xvda"));
                KeptDevices kept = devices.frontendReboots(USER);
                done(kept.removed());
                done(devices.makeAgain(kept, spec -> devices.create(NEXT, SERVER, spec)));
                devices.detach(devices.find(DeviceKind.VBD, NEXT, "xvda"), Removal.ORDERLY);
            }
            test.close();
        }
    }

    @Test
    @Timeout(60)
    void logTellsWhatBecomesOfDevices() throws IOException, InterruptedException {
        Process life =
                new ProcessBuilder(
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-Dxen-emu.log.level=INFO",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Life.class.getName())
                        .redirectErrorStream(true)
                        .start();
        try (BufferedReader output = life.inputReader()) {
            List<String> told =
                    output.lines()
                            .filter(line -> line.contains("INFO"))
                            .map(line -> line.replaceFirst(".*?] ", ""))
                            .toList();
            assertEquals(
                    List.of(
                            "dom3: vbd 51728 from dom5: not taken, and removed",
                            "dom3: vbd 51712 from dom5: attached",
                            "dom3: vbd 51712 from dom5: its domain has ended: detached",
                            "dom4: vbd 51712 from dom5: attached again after the reboot",
                            "dom4: vbd 51712 from dom5: detached"),
                    told);
            assertEquals(0, life.waitFor());
        } finally {
            life.destroyForcibly();
        }
    }

    @Test
    void whatCannotBeHadIsMissingAfterAReboot()
            throws XenError, DeviceRefused, InterruptedException {
        serve();
        try (PvDevices devices = new PvDevices(store, LONG)) {
            attach(devices, USER, disk("xvda"));
            attach(devices, USER, nic(""));

            KeptDevices kept = devices.frontendReboots(USER);
            done(
                    devices.makeAgain(
                            kept,
                            spec -> {
                                if (spec.kind() == DeviceKind.VBD) {
                                    throw new DeviceRefused("no such domain: db");
                                }
                                return devices.create(NEXT, SERVER, spec);
                            }));

            assertEquals(List.of("vif"), client.list("/libxl/4/device"));
            assertEquals(1, devices.frontendReboots(NEXT).specs().size());
        }
    }

    @Test
    void onlyWhatWasTakenComesBackAfterAReboot()
            throws XenError, DeviceRefused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            assertThrows(DeviceRefused.class, () -> devices.awaitBackend(device, disk("xvda")));
            devices.create(USER, SERVER, disk("xvdb"));

            assertEquals(List.of(), devices.frontendReboots(USER).specs());
        }
    }

    @Test
    void whatIsTakenTooLateIsNotForTheNextDomainOfThatNumber()
            throws XenError, DeviceRefused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            client.write(BACK + "/state", "2");
            client.rm("/libxl/3");
            devices.awaitBackend(device, disk("xvda"));

            assertEquals(List.of(), devices.frontendReboots(USER).specs());
        }
    }

    @Test
    void deviceOfADeadServerCanBeDetached() throws XenError, DeviceRefused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            client.rm("/local/domain/5");
            assertTrue(client.exists(FRONT));

            devices.detach(device, Removal.ORDERLY);
        }
        assertFalse(client.exists(FRONT));
        assertFalse(client.exists("/local/domain/5"));
        assertFalse(client.exists(RECORD));
    }

    @Test
    void secondDetachIsRefusedMeanwhile() throws DeviceRefused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            Thread waiting = Thread.ofVirtual().start(() -> detach(devices, device));
            Eventually.holds(
                    "the detach waits", () -> waiting.getState() == Thread.State.TIMED_WAITING);

            DeviceRefused e =
                    assertThrows(DeviceRefused.class, () -> devices.detach(device, Removal.FORCED));
            assertEquals("the device is being attached or detached already", e.reason());
            waiting.interrupt();
            waiting.join();
        }
    }

    private static void detach(PvDevices devices, PvDevice device) {
        try {
            devices.detach(device, Removal.ORDERLY);
        } catch (DeviceRefused | InterruptedException e) {
            // The test's end.
        }
    }
}
