/// A XenStore server for guests' rings and for the host's Unix socket; usable without KVM.
module io.xenemu.xenstore {
    requires transitive io.xenemu.kvm;
    requires com.google.common;
    requires micrometer.core;
    requires org.slf4j;
    requires static org.jspecify;
}
