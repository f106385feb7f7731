package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;

import org.junit.jupiter.api.AfterEach;

/// Requests of domain 0 on a store.
abstract class RequestRig {
    static final String OK = "OK\0";
    final Rig rig = new Rig();
    final Rig.Client dom0 = rig.client(0);

    @AfterEach
    void close() {
        dom0.ask(CONTROL, "check\0");
        rig.close();
    }
}
