package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import org.jspecify.annotations.Nullable;

/// The kernel ports of domain 0: the service has no vCPUs, so the kernel has nothing to serve.
enum NoKernelPorts implements KernelPorts {
    INSTANCE;

    @Override
    public void assignIpi(EvtchnPort port, VcpuId vcpu) {}

    @Override
    public void assignService(EvtchnPort port, ServiceListener listener) {}

    @Override
    public void assignLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu) {}

    @Override
    public void updateLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu) {}

    @Override
    public void assignDoorbell(EvtchnPort port, KernelDoorbell doorbell) {}

    @Override
    public void deassign(EvtchnPort port) {}

    @Override
    public boolean reaches(VcpuId vcpu) {
        return false;
    }

    @Override
    public @Nullable KernelDoorbell openDoorbell(EvtchnPort port, VcpuId vcpu) {
        return null;
    }

    @Override
    public void moveDoorbell(EvtchnPort port, KernelDoorbell doorbell, VcpuId vcpu) {}

    @Override
    public void closeDoorbell(EvtchnPort port, KernelDoorbell doorbell) {}

    @Override
    public void routePirq(Pirq pirq, EvtchnPort port, VcpuId vcpu) {}

    @Override
    public void unroutePirq(Pirq pirq) {}

    @Override
    public void routeGsi(int gsi, boolean isEvent) {}

    @Override
    public void reset() {}

    @Override
    public boolean send(EvtchnPort port, VcpuId vcpu) {
        return false;
    }

    @Override
    public boolean notifiesVcpus() {
        return true;
    }

    @Override
    public void servePolls(boolean on) {}

    @Override
    public void timerChanged(VcpuId vcpu) {}
}
