package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.Handshake;
import io.xenemu.core.backend.NullKind;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.client.XenStoreClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Devices that the service serves, over the life of a guest.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class GuestDevicesOfServiceTest {
    @TempDir private Path folder = Path.of("");

    private final NullKind kind = new NullKind(Handshake.INITIALISED);
    private final FakeHypervisor fake = new FakeHypervisor(kind);

    @BeforeEach
    void writeKernel() throws IOException {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        fake.close();
        assertEquals(0, kind.open.get());
    }

    private GuestRequest request(String... disks) throws Refused {
        List<DeviceSpec> devices = new ArrayList<>();
        for (String disk : disks) {
            devices.add(DiskSpec.parse(List.of(disk)));
        }
        return WebGuest.request(
                folder.resolve("kernel"), EndActions.DEFAULT, devices, EngineMap.DEFAULT);
    }

    private String backState(Domain domain) throws Exception {
        try (XenStoreClient client = fake.hypervisor.xenstore().client()) {
            String path =
                    "/local/domain/0/backend/vbd/%d/51712/state".formatted(domain.id().value());
            return client.exists(path) ? client.read(path) : "";
        }
    }

    @Test
    void guestStartsWithItsDisksAndKeepsThemOverAReboot() throws Exception {
        kind.exclusive = true;
        Guest guest = new Guest(request("/a.img,raw,xvda,rw"), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain first = fake.next();
        assertEquals("2", backState(first));
        assertEquals(1, kind.open.get());
        assertEquals(
                List.of("devices of the service: vbd 51712: a null device cannot be saved"),
                first.parts().blockers());

        first.shutdown(ShutdownReason.REBOOT, "of a test");

        Domain second = fake.next();
        Eventually.holds("it has its disk again", () -> backState(second).equals("2"));
        assertEquals("", backState(first));
        assertEquals(1, kind.open.get(), "the file was free when it was opened again");
        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
        assertEquals(0, kind.open.get());
    }

    @Test
    void attachedDiskComesBackAndDetachedOneDoesNot() throws Exception {
        Guest guest = new Guest(request("/a.img,raw,xvda,rw", "/b.img,raw,xvdb"), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain first = fake.next();
        DeviceSpec spec = DiskSpec.parse(List.of("/c.img,raw,xvdc"));
        PvDevice added = fake.hypervisor.devices().attachment().create("web", spec);
        fake.hypervisor.devices().attachment().devices().awaitBackend(added, spec);
        PvDevice gone =
                fake.hypervisor
                        .devices()
                        .attachment()
                        .devices()
                        .list()
                        .find(DeviceKind.VBD, first.id(), "xvdb");
        fake.hypervisor.devices().attachment().devices().detach(gone, DetachMode.ORDERLY);
        assertEquals(List.of("51712", "51744"), fake.disks(first));

        first.shutdown(ShutdownReason.REBOOT, "of a test");

        Domain second = fake.next();
        Eventually.holds(
                "it has its disks again",
                () -> fake.disks(second).equals(List.of("51712", "51744")) && kind.open.get() == 2);
        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    @Test
    void guestWithoutOneOfItsDisksDoesNotStart() throws Exception {
        Guest guest = new Guest(request("/a.img,raw,xvda", "/missing,raw,xvdb"), folder);
        guest.start();
        BootException e =
                assertThrows(
                        BootException.class,
                        () -> guest.run(fake.hypervisor, null, null, Guest.FOREVER));
        assertEquals("missing: no such file", e.getMessage());
        assertEquals(GuestState.ENDED, guest.state());
        assertEquals(0, kind.open.get());
        try (XenStoreClient client = fake.hypervisor.xenstore().client()) {
            Eventually.holds(
                    "no node is left", () -> !client.exists("/local/domain/0/backend/vbd"));
            assertFalse(client.exists("/libxl/1"));
        }
    }

    @Test
    void kindThatIsNotServedIsRefusedInOneLine() throws Exception {
        Guest guest = new Guest(request(), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        DeviceSpec nic = NicSpec.parse(List.of("bridge=br0"), new Random(1));
        Refused e =
                assertThrows(
                        Refused.class,
                        () -> fake.hypervisor.devices().attachment().create("web", nic));
        assertEquals(
                "domain 0 serves no network interfaces yet: name the serving domain with"
                        + " backend=DOMAIN",
                e.reason());
        assertTrue(fake.disks(domain).isEmpty());
        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
    }
}
