package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class DomainNodesTest {
    private static final String UUID_TEXT = "0f5dd3a2-5b1a-4e5c-9d4f-7f1d1a1b2c3d";
    private static final DomainDescription DESCRIPTION =
            new DomainDescription(
                    new DomId(3),
                    UUID.fromString(UUID_TEXT),
                    "guest",
                    Instant.ofEpochSecond(1_700_000_000, 120_000_000),
                    524_288,
                    262_144,
                    0,
                    2,
                    1,
                    new DomainDescription.SharedRing(0xfeffc, 1),
                    new DomainDescription.SharedRing(0xfeffb, 2),
                    "");

    private final XenStoreServer store =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    new DeviceDomains.World(),
                    new XenStoreMetrics(new SimpleMeterRegistry()),
                    Runnable::run);
    private final XenStoreClient client = store.client();
    private final DomainNodes nodes = new DomainNodes(client);

    @AfterEach
    void close() {
        store.close();
    }

    private String dump(String path) throws XenError {
        StringBuilder text = new StringBuilder();
        dump(path, text);
        return text.toString();
    }

    private void dump(String path, StringBuilder text) throws XenError {
        text.append(path.replace(UUID_TEXT, "UUID"))
                .append(" = ")
                .append(client.read(path).replace(UUID_TEXT, "UUID"))
                .append(" (")
                .append(client.permissions(path))
                .append(")\n");
        for (String name : client.list(path)) {
            dump(path.equals("/") ? "/" + name : path + "/" + name, text);
        }
    }

    @Test
    void domainFindsTheNodesThatXlWrites() throws XenError {
        nodes.write(DESCRIPTION);
        assertEquals(
                """
                /local/domain/3 =  (n0 r3)
                /local/domain/3/vm = /vm/UUID (n0 r3)
                /local/domain/3/name = guest (n0 r3)
                /local/domain/3/cpu =  (n0 r3)
                /local/domain/3/cpu/0 =  (n0 r3)
                /local/domain/3/cpu/0/availability = online (n0 r3)
                /local/domain/3/cpu/1 =  (n0 r3)
                /local/domain/3/cpu/1/availability = offline (n0 r3)
                /local/domain/3/memory =  (n0 r3)
                /local/domain/3/memory/static-max = 524288 (n0 r3)
                /local/domain/3/memory/target = 262144 (n0 r3)
                /local/domain/3/memory/videoram = 0 (n0 r3)
                /local/domain/3/device =  (n0 r3)
                /local/domain/3/device/suspend =  (n0 r3)
                /local/domain/3/device/suspend/event-channel =  (n3)
                /local/domain/3/control =  (n0 r3)
                /local/domain/3/control/shutdown =  (n3)
                /local/domain/3/control/feature-poweroff =  (n3)
                /local/domain/3/control/feature-reboot =  (n3)
                /local/domain/3/control/feature-suspend =  (n3)
                /local/domain/3/control/sysrq =  (n3)
                /local/domain/3/control/platform-feature-multiprocessor-suspend = 1 (n0 r3)
                /local/domain/3/control/platform-feature-xs_reset_watches = 1 (n0 r3)
                /local/domain/3/data =  (n3)
                /local/domain/3/drivers =  (n3)
                /local/domain/3/feature =  (n3)
                /local/domain/3/attr =  (n3)
                /local/domain/3/error =  (n3)
                /local/domain/3/domid = 3 (n0 r3)
                /local/domain/3/store =  (n0 r3)
                /local/domain/3/store/port = 1 (n0 r3)
                /local/domain/3/store/ring-ref = 1044476 (n0 r3)
                /local/domain/3/console =  (n0 r3)
                /local/domain/3/console/backend = /local/domain/0/backend/console/3/0 (n0 r3)
                /local/domain/3/console/backend-id = 0 (n0 r3)
                /local/domain/3/console/limit = 1048576 (n0 r3)
                /local/domain/3/console/type = xenconsoled (n0 r3)
                /local/domain/3/console/output = pty (n0 r3)
                /local/domain/3/console/tty =  (n0 r3)
                /local/domain/3/console/port = 2 (n0 r3)
                /local/domain/3/console/ring-ref = 1044475 (n0 r3)
                """,
                dump("/local/domain/3"));
        assertEquals(
                """
                /vm/UUID =  (n0 r3)
                /vm/UUID/uuid = UUID (n0 r3)
                /vm/UUID/name = guest (n0 r3)
                /vm/UUID/start_time = 1700000000.12 (n0 r3)
                """,
                dump("/vm/" + UUID_TEXT));
        assertEquals("1", client.read("/local/domain/0/backend/console/3/0/state"));
    }

    @Test
    void writingAgainReplacesTheGuestsValue() throws XenError {
        nodes.write(DESCRIPTION);
        client.write("/local/domain/3/data/left", "x");
        client.write("/local/domain/3/control/shutdown", "reboot");
        nodes.write(DESCRIPTION);
        assertFalse(client.exists("/local/domain/3/data/left"));
        assertEquals("", client.read("/local/domain/3/control/shutdown"));
    }

    @Test
    void removedDomainLeavesNothing() throws XenError {
        nodes.writeHost();
        String before = dump("/");
        nodes.write(DESCRIPTION);
        nodes.remove(DESCRIPTION);
        assertEquals(List.of("0"), client.list("/local/domain"));
        client.rm("/vm");
        client.rm("/local/domain/0/backend");
        assertEquals(before, dump("/"));
        assertTrue(before.contains("/tool/xenstored"));
    }
}
