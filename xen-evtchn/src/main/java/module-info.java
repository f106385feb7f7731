/// Event channels, with no knowledge of KVM: effects leave through interfaces that core implements.
module io.xenemu.evtchn {
    requires transitive io.xenemu.kvm;
    requires com.google.common;
    requires transitive micrometer.core;
    requires static org.jspecify;

    exports io.xenemu.evtchn;
}
