package io.xenemu.core.domain;

/// The platform thread of one vCPU. Code that runs on it finds the vCPU through it.
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
