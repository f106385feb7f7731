package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestRunner;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.HostileFronts;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.fixture.Vmm;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Hostile front ends of the peer's devices. Those of the service's are a soak: `bin/soak hostile`.
@Needs({HostPackage.GCC, HostPackage.LIBC, HostPackage.LINUX_HEADERS, HostPackage.XEN_HEADERS})
@ExtendWith(LabExtension.class)
class HostileFrontIT {
    private static final long PEER_SECONDS = 60;

    /// QEMU may end or hang on the way; `peer-differences.md` tells what came of it. The case that is left out makes it
    /// fill its log.
    @ParameterizedTest
    @ValueSource(strings = {"vbd", "vif"})
    void hostileFrontEndPlaysOnThePeer(String kind, Lab lab)
            throws IOException, InterruptedException {
        String image = "/run/front-peer.img";
        lab.shell(HostileFronts.SECTORS + image);
        List<String> options =
                kind.equals("vbd")
                        ? List.of(
                                "-drive",
                                "file=" + image + ",format=raw,if=none,id=disk",
                                "-device",
                                "xen-disk,drive=disk,vdev=xvda")
                        : List.of(
                                "-netdev",
                                "user,id=net",
                                "-device",
                                "xen-net-device,netdev=net,mac=00:16:3e:66:66:67");
        Path module = Path.of("").toAbsolutePath();
        TestGuests guests = TestGuests.build(module, module.resolve("target/front-guests"));
        String output =
                new GuestRunner(lab.machine(), PEER_SECONDS)
                        .run(
                                new Vmm.Peer(lab.images().qemu(), options),
                                guests.front(64),
                                "patience=2000 cycles=5 only=%1$s skip=%1$s.xsa-39.request-index-backwards"
                                        .formatted(kind),
                                1);
        assertTrue(output.contains("ok %s.connects".formatted(kind)), output);
        lab.shell("rm " + image);
    }
}
