/// Grant tables, with no knowledge of KVM.
module io.xenemu.gnttab {
    requires transitive io.xenemu.kvm;
    requires com.google.common;
    requires micrometer.core;
    requires static org.jspecify;
}
