package io.xenemu.core.domain;

/// The platform thread of one vCPU, by which code that runs on it finds the vCPU.
final class VcpuThread extends Thread {
    private final Vcpu vcpu;

    VcpuThread(String name, Vcpu vcpu, Runnable body) {
        super(null, body, name, 0, false);
        this.vcpu = vcpu;
    }

    Vcpu vcpu() {
        return vcpu;
    }
}
