package io.xenemu.core.jfr;

import jdk.jfr.Label;
import jdk.jfr.Name;

/// An event that this process announces to a vCPU.
@Name("io.xenemu.Upcall")
@Label("Upcall")
final class UpcallEvent extends XenEvent {
    @Label("vCPU")
    int vcpu;

    @Label("Vector")
    int vector;

    UpcallEvent(int domain, int vcpu, int vector) {
        super(domain);
        this.vcpu = vcpu;
        this.vector = vector;
    }
}
