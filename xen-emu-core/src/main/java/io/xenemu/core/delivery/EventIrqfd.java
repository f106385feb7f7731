package io.xenemu.core.delivery;

import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.memory.EventFd;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// An eventfd whose signals KVM turns into events: an irqfd on a GSI of its own, which is routed to an event channel
/// (`KVM_IRQ_ROUTING_XEN_EVTCHN`). Its owner closes the eventfd.
public final class EventIrqfd {
    private final VmPort vm;
    private final GsiRoutes routes;
    private final EventFd eventFd;
    private final int gsi;

    private EventIrqfd(VmPort vm, GsiRoutes routes, EventFd eventFd, int gsi) {
        this.vm = vm;
        this.routes = routes;
        this.eventFd = eventFd;
        this.gsi = gsi;
    }

    /// Connects an eventfd.
    ///
    /// @return null if the VM has no GSI left
    public static @Nullable EventIrqfd connect(
            VmPort vm, GsiRoutes routes, EventFd eventFd, EvtchnPort port, VcpuId vcpu) {
        int gsi = routes.add(port, vcpu);
        if (gsi == GsiRoutes.NONE) {
            return null;
        }
        try {
            vm.assignIrqfd(eventFd.fd(), gsi);
        } catch (RuntimeException e) {
            routes.remove(List.of(gsi));
            throw e;
        }
        return new EventIrqfd(vm, routes, eventFd, gsi);
    }

    EventFd eventFd() {
        return eventFd;
    }

    /// Routes it to another port or vCPU.
    public void move(EvtchnPort port, VcpuId vcpu) {
        routes.set(gsi, port, vcpu);
    }

    /// Disconnects some irqfds of one VM. When it returns, no event that they delivered is in progress.
    public static void disconnect(GsiRoutes routes, Collection<EventIrqfd> ending) {
        for (EventIrqfd irqfd : ending) {
            irqfd.vm.deassignIrqfd(irqfd.eventFd.fd(), irqfd.gsi);
        }
        routes.remove(ending.stream().map(irqfd -> irqfd.gsi).toList());
    }
}
