package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Wraps a domain's [KernelPorts], which any domain's thread may call: an exception ends the domain that owns the
/// ports. The caller goes on as if the call had succeeded; it may be another domain that closes its own end of a
/// channel.
final class ContainedPorts implements KernelPorts {
    private final KernelPorts kernel;
    private final Consumer<Throwable> failed;

    private ContainedPorts(KernelPorts kernel, Consumer<Throwable> failed) {
        this.kernel = kernel;
        this.failed = failed;
    }

    /// Wraps the environment's ports. [NoKernelPorts] cannot fail and stays unwrapped, so that it can be recognized.
    static KernelPorts of(EventEnvironment environment) {
        KernelPorts kernel = environment.kernel();
        return kernel instanceof NoKernelPorts
                ? kernel
                : new ContainedPorts(kernel, environment.failed());
    }

    private void contain(Runnable change) {
        try {
            change.run();
        } catch (RuntimeException | Error e) {
            failed.accept(e);
        }
    }

    @Override
    public void assignIpi(EvtchnPort port, VcpuId vcpu) {
        contain(() -> kernel.assignIpi(port, vcpu));
    }

    @Override
    public void assignService(EvtchnPort port, ServiceListener listener) {
        contain(() -> kernel.assignService(port, listener));
    }

    @Override
    public void assignLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu) {
        contain(() -> kernel.assignLoopback(port, target, vcpu));
    }

    @Override
    public void updateLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu) {
        contain(() -> kernel.updateLoopback(port, target, vcpu));
    }

    @Override
    public void assignDoorbell(EvtchnPort port, KernelDoorbell doorbell) {
        contain(() -> kernel.assignDoorbell(port, doorbell));
    }

    @Override
    public void deassign(EvtchnPort port) {
        contain(() -> kernel.deassign(port));
    }

    @Override
    public boolean reaches(VcpuId vcpu) {
        try {
            return kernel.reaches(vcpu);
        } catch (RuntimeException | Error e) {
            failed.accept(e);
            return false;
        }
    }

    @Override
    public @Nullable KernelDoorbell openDoorbell(EvtchnPort port, VcpuId vcpu) {
        try {
            return kernel.openDoorbell(port, vcpu);
        } catch (RuntimeException | Error e) {
            failed.accept(e);
            return null;
        }
    }

    @Override
    public void moveDoorbell(EvtchnPort port, KernelDoorbell doorbell, VcpuId vcpu) {
        contain(() -> kernel.moveDoorbell(port, doorbell, vcpu));
    }

    @Override
    public void closeDoorbell(EvtchnPort port, KernelDoorbell doorbell) {
        contain(() -> kernel.closeDoorbell(port, doorbell));
    }

    @Override
    public void routePirq(Pirq pirq, EvtchnPort port, VcpuId vcpu) {
        contain(() -> kernel.routePirq(pirq, port, vcpu));
    }

    @Override
    public void unroutePirq(Pirq pirq) {
        contain(() -> kernel.unroutePirq(pirq));
    }

    @Override
    public void routeGsi(int gsi, boolean isEvent) {
        contain(() -> kernel.routeGsi(gsi, isEvent));
    }

    @Override
    public void reset() {
        contain(kernel::reset);
    }

    /// Called for every send to a masked port: allocates nothing.
    @Override
    public boolean send(EvtchnPort port, VcpuId vcpu) {
        try {
            return kernel.send(port, vcpu);
        } catch (RuntimeException | Error e) {
            failed.accept(e);
            return false;
        }
    }

    @Override
    public boolean notifiesVcpus() {
        try {
            return kernel.notifiesVcpus();
        } catch (RuntimeException | Error e) {
            failed.accept(e);
            return false;
        }
    }

    @Override
    public void servePolls(boolean on) {
        contain(() -> kernel.servePolls(on));
    }

    @Override
    public void timerChanged(VcpuId vcpu) {
        contain(() -> kernel.timerChanged(vcpu));
    }
}
