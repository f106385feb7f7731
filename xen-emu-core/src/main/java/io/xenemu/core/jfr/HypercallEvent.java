package io.xenemu.core.jfr;

import jdk.jfr.Label;
import jdk.jfr.Name;

/// A hypercall that this process has served, from its begin to its end.
@Name("io.xenemu.Hypercall")
@Label("Hypercall")
final class HypercallEvent extends XenEvent {
    @Label("vCPU")
    int vcpu;

    @Label("Hypercall")
    String hypercall;

    @Label("Operation")
    String op;

    @Label("Result")
    long result;

    HypercallEvent(int domain, int vcpu, String hypercall, String op) {
        super(domain);
        this.vcpu = vcpu;
        this.hypercall = hypercall;
        this.op = op;
    }
}
