package io.xenemu.core.domain;

import io.xenemu.core.delivery.EventDoorbells;
import io.xenemu.core.delivery.EventFdListener;
import io.xenemu.core.delivery.EventFdThread;
import io.xenemu.core.delivery.GsiRoutes;
import io.xenemu.core.delivery.InlineListener;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.KernelDoorbell;
import io.xenemu.evtchn.KernelPorts;
import io.xenemu.evtchn.Pirq;
import io.xenemu.evtchn.ServiceListener;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// KVM's part of a domain's event channels: IPIs, loopback, devices' messages, and sends to other domains and to the
/// service's threads stay in the kernel.
final class KvmKernelPorts implements KernelPorts {
    private final VmPort vm;
    private final Domain domain;
    private final EventDoorbells doorbells;
    private final MessageInterrupts messages;
    private final RemoteLines remoteLines;
    private final Map<EvtchnPort, EventFdThread> services = new HashMap<>();
    private final Set<EvtchnPort> inline = new HashSet<>();

    KvmKernelPorts(VmPort vm, Domain domain) {
        this.vm = vm;
        this.domain = domain;
        GsiRoutes routes = new GsiRoutes(vm::setGsiRouting);
        this.doorbells = new EventDoorbells(vm, routes, domain.resources().descriptors());
        this.messages = new MessageInterrupts(domain, routes);
        this.remoteLines = new RemoteLines(domain);
    }

    MessageInterrupts messages() {
        return messages;
    }

    RemoteLines remoteLines() {
        return remoteLines;
    }

    @Override
    public void assignIpi(EvtchnPort port, VcpuId vcpu) {
        vm.assignIpi(port.value(), vcpu);
    }

    @Override
    public void assignService(EvtchnPort port, ServiceListener listener) {
        if (listener instanceof InlineListener) {
            inline.add(port);
            return;
        }
        if (listener instanceof EventFdListener own) {
            vm.assignEventfd(port.value(), own.eventFd().fd());
            return;
        }
        String name = domain.id() + "-port" + port.value();
        EventFdThread thread = domain.threads().startLimited(name, listener::signalled);
        services.put(port, thread);
        vm.assignEventfd(port.value(), thread.eventFd().fd());
    }

    @Override
    public void assignLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu) {
        vm.assignLoopback(port.value(), target.value(), vcpu);
    }

    @Override
    public void updateLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu) {
        vm.updateLoopback(port.value(), target.value(), vcpu);
    }

    @Override
    public void assignDoorbell(EvtchnPort port, KernelDoorbell doorbell) {
        if (!(doorbell instanceof EventDoorbells.Doorbell known)) {
            throw new IllegalArgumentException("not a doorbell of KVM: " + doorbell);
        }
        vm.assignEventfd(port.value(), known.eventFd().fd());
    }

    /// False before the guest has mapped shared_info, and for a vCPU without `vcpu_info`.
    @Override
    public boolean reaches(VcpuId vcpu) {
        return domain.sharedInfo().isMapped()
                && domain.vcpus().get(vcpu.value()).areas().hasVcpuInfo();
    }

    @Override
    public @Nullable KernelDoorbell openDoorbell(EvtchnPort port, VcpuId vcpu) {
        return doorbells.open(port, vcpu);
    }

    @Override
    public void moveDoorbell(EvtchnPort port, KernelDoorbell doorbell, VcpuId vcpu) {
        doorbells.move(doorbell, port, vcpu);
    }

    @Override
    public void closeDoorbell(EvtchnPort port, KernelDoorbell doorbell) {
        doorbells.close(doorbell);
    }

    /// Leaves the PIRQ to user space if KVM cannot reach the vCPU: it would drop the events, as it does those of
    /// doorbells.
    @Override
    public void routePirq(Pirq pirq, EvtchnPort port, VcpuId vcpu) {
        if (reaches(vcpu)) {
            messages.route(pirq, port, vcpu);
        } else {
            messages.unroute(pirq);
        }
    }

    @Override
    public void unroutePirq(Pirq pirq) {
        messages.unroute(pirq);
    }

    @Override
    public void routeGsi(int gsi, boolean isEvent) {
        remoteLines.route(gsi, isEvent);
    }

    @Override
    public void deassign(EvtchnPort port) {
        if (inline.remove(port)) {
            return;
        }
        try {
            vm.deassignPort(port.value());
        } finally {
            EventFdThread thread = services.remove(port);
            if (thread != null) {
                thread.close();
            }
        }
    }

    @Override
    public void reset() {
        // Steps run in reverse order. The domain may be ending because KVM refuses one of them.
        Teardown steps = new Teardown();
        steps.add(messages::reset);
        steps.add(doorbells::reset);
        steps.add(() -> {
            services.values().forEach(EventFdThread::close);
            services.clear();
            inline.clear();
        });
        steps.add(vm::resetPorts);
        steps.close();
    }

    @Override
    public boolean send(EvtchnPort port, VcpuId vcpu) {
        if (!reaches(vcpu)) {
            return false;
        }
        try {
            vm.xenEvtchnSend(port.value(), vcpu);
        } catch (KvmException e) {
            if (e.errno() == Errno.EINVAL) {
                // The domain has become 32-bit since the sender checked, and the port is beyond
                // its limit.
                return false;
            }
            throw e;
        }
        domain.delivery().kernelRaised(vcpu);
        return true;
    }

    @Override
    public boolean notifiesVcpus() {
        return !domain.delivery().isByLine();
    }

    /// Also ends the polls in which vCPUs sleep now: they return, as at any interrupt, and the guests poll again.
    @Override
    public void servePolls(boolean on) {
        vm.servePolls(on);
        domain.vcpus().forEach(Vcpu::wake);
    }

    @Override
    public void timerChanged(VcpuId id) {
        Vcpu vcpu = domain.vcpus().get(id.value());
        vcpu.call(_ -> vcpu.timer().portChanged());
    }
}
