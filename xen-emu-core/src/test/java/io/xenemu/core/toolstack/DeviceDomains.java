package io.xenemu.core.toolstack;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import io.xenemu.xenstore.tree.Permissions;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/// Domains on a store: domain 3 uses the devices of domain 5, and after its guest's reboot domain 4 uses them.
abstract class DeviceDomains {
    static final DomId USER = new DomId(3);
    static final DomId NEXT = new DomId(4);
    static final DomId SERVER = new DomId(5);
    static final String FRONT = "/local/domain/3/device/vbd/51712";
    static final String BACK = "/local/domain/5/backend/vbd/3/51712";
    static final String RECORD = "/libxl/3/device/vbd/51712";

    /// The limit for a test that waits in vain.
    static final Duration SHORT = Duration.ofMillis(100);

    /// The limit for any other test.
    static final Duration LONG = Duration.ofMinutes(1);

    final XenStoreServer store =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    new World(),
                    new XenStoreMetrics(new SimpleMeterRegistry()),
                    Runnable::run);

    final XenStoreClient client = store.client();

    static final class World implements GuestDomains {
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

    /// Serves as Linux's back end does, and as the agent of its domain that runs hotplug scripts.
    void serve() {
        XenStoreClient driver = store.client();
        XenStoreClient.Registration _ =
                driver.watch("/local/domain/5/backend", path -> driverSees(driver, path));
    }

    static void driverSees(XenStoreClient driver, String path) {
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

    static DiskSpec disk(String vdev) throws Refused {
        return DiskSpec.parse(List.of("/dev/ram0,raw," + vdev + ",rw,backend=db"));
    }

    static NicSpec nic(String more) throws Refused {
        return NicSpec.parse(
                List.of("mac=00:16:3e:01:02:03,backend=db,ip=10.0.0.2" + more), new Random(1));
    }

    static PvDevice attach(PvDevices devices, DomId user, DeviceSpec spec)
            throws Refused, InterruptedException {
        PvDevice device = devices.create(user, SERVER, spec);
        devices.awaitBackend(device, spec);
        return device;
    }

    String dump(String path) throws XenError {
        StringBuilder text = new StringBuilder();
        dump(path, path, text);
        return text.toString();
    }

    void dump(String top, String path, StringBuilder text) throws XenError {
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

    static void detach(PvDevices devices, PvDevice device) {
        try {
            devices.detach(device, DetachMode.ORDERLY);
        } catch (Refused | InterruptedException e) {
            // The test's end.
        }
    }
}
