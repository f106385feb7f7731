/// A XenStore server for guests' rings and the host's Unix socket; usable without KVM.
module io.xenemu.xenstore {
    requires transitive io.xenemu.kvm;
    requires static com.google.errorprone.annotations;
    requires com.google.common;
    requires transitive micrometer.core;
    requires org.slf4j;
    requires static org.jspecify;

    exports io.xenemu.xenstore;
    exports io.xenemu.xenstore.client;
    exports io.xenemu.xenstore.metrics;
    exports io.xenemu.xenstore.persist;
    exports io.xenemu.xenstore.quota;
    exports io.xenemu.xenstore.ring;
    exports io.xenemu.xenstore.socket;
    exports io.xenemu.xenstore.state;
    exports io.xenemu.xenstore.stream;
    exports io.xenemu.xenstore.tree;
    exports io.xenemu.xenstore.wire;
}
