package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.core.backend.block.FileStore;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The store that a disk's words lead to.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NbdOpenerTest {
    @TempDir Path folder;
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final NbdOpener opener = new NbdOpener(registry);

    private DiskStore open(String words) throws Refused {
        return opener.open(DiskSpec.parse(List.of(words)));
    }

    @Test
    void rawImageIsAFile() throws Exception {
        Path image = Files.write(folder.resolve("a"), new byte[1 << 20]);
        try (DiskStore store = open(image + ",raw,xvda,w,aio=sync")) {
            assertInstanceOf(FileStore.class, store);
        }
    }

    @Test
    void addressIsAServersDisk() throws Exception {
        try (FakeNbdServer server = new FakeNbdServer(1 << 20);
                DiskStore store = open("nbd+unix:///disk?socket=" + server.path + ",raw,xvda")) {
            assertEquals(1 << 20, store.bytes());
        }
    }

    @Test
    void metersAndThreadsHaveTheNameOfTheDevice() throws Exception {
        try (FakeNbdServer server = new FakeNbdServer(1 << 20);
                DiskStore store = open("vdev=xvda,target=nbd+unix:///x?socket=" + server.path)) {
            PvDevice device = new PvDevice(DeviceKind.VBD, DomId.of(3), DomId.DOM0, 51712);
            store.belongsTo(device);
            store.belongsTo(device);
            for (String meter : List.of("reconnects", "restarts", "inflight", "unflushed")) {
                assertEquals(
                        1,
                        registry.get("xen.nbd." + meter)
                                .tag("domain", "3")
                                .tag("device", "51712")
                                .meters()
                                .size());
            }
            List<String> names =
                    Thread.getAllStackTraces().keySet().stream().map(Thread::getName).toList();
            assertTrue(names.contains("dom3-vbd-51712-nbd"), names.toString());
            assertTrue(names.contains("dom3-vbd-51712-nbd-recv"), names.toString());
        }
        assertEquals(List.of(), registry.getMeters());
    }

    @Test
    void whatCannotBeServedIsRefusedInOneLine() {
        for (String words :
                List.of(
                        folder + "/none,qcow2,xvda",
                        folder + ",qcow2,xvda",
                        "nbd://host/x,qcow2,xvda",
                        "nbd+unix:///x?socket=" + folder + "/none,raw,xvda",
                        "vdev=xvda,target=nbds://host/x",
                        "vdev=xvda,target=nbd://nowhere.invalid/x")) {
            var e = assertThrows(Refused.class, () -> open(words));
            assertEquals(1, String.valueOf(e.getMessage()).lines().count());
        }
    }
}
