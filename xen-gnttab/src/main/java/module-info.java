/// Grant tables, with no knowledge of KVM.
module io.xenemu.gnttab {
    requires transitive io.xenemu.kvm;
    requires com.google.common;
    requires transitive micrometer.core;
    requires static org.jspecify;

    exports io.xenemu.gnttab;
}
