/// Grant tables, with no knowledge of KVM.
module io.xenemu.gnttab {
    requires transitive io.xenemu.kvm;
    requires com.google.common;
    requires transitive micrometer.core;
    requires static com.google.errorprone.annotations;
    requires static org.jspecify;

    exports io.xenemu.gnttab;
}
