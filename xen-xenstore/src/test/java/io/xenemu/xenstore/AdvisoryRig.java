package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.DomId;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/// A store with the domains 3, 4 and so on, and their rings, for what Xen's advisories on xenstored were about.
abstract class AdvisoryRig {
    static final String OK = "OK\0";
    static final DomId DOM3 = new DomId(3);
    final Rig rig = new Rig();
    final Rig.Client dom0 = rig.client(0);

    @BeforeEach
    void homes() {
        rig.guest(3);
        rig.guest(4);
        for (int domain : List.of(3, 4)) {
            dom0.ask(MKDIR, "/local/domain/" + domain + "/data\0");
            dom0.ask(SET_PERMS, "/local/domain/" + domain + "\0n0\0r" + domain + "\0");
            dom0.ask(SET_PERMS, "/local/domain/" + domain + "/data\0n" + domain + "\0");
        }
        dom0.ask(WRITE, "/secret/x\0hidden");
    }

    @AfterEach
    void close() {
        assertEquals(OK, dom0.ask(CONTROL, "check\0"));
        rig.close();
    }

    RingEnd ring(int domain) {
        return new RingEnd(rig.guest(domain));
    }
}
