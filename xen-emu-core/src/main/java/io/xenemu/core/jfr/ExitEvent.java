package io.xenemu.core.jfr;

import jdk.jfr.Label;
import jdk.jfr.Name;

/// An exit of a vCPU that is no hypercall.
@Name("io.xenemu.Exit")
@Label("Exit")
final class ExitEvent extends XenEvent {
    @Label("vCPU")
    int vcpu;

    @Label("Reason")
    String reason;

    @Label("Address")
    long address;

    @Label("Bytes")
    int bytes;

    @Label("Write")
    boolean isWrite;

    ExitEvent(int domain, int vcpu, String reason, long address, int bytes, boolean isWrite) {
        super(domain);
        this.vcpu = vcpu;
        this.reason = reason;
        this.address = address;
        this.bytes = bytes;
        this.isWrite = isWrite;
    }
}
