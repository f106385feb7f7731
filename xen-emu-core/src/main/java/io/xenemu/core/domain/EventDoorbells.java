package io.xenemu.core.domain;

import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.KernelDoorbell;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmEvents;
import io.xenemu.kvm.memory.EventFd;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The ways into one domain for events that others bring without leaving the kernel: each an eventfd, being an irqfd of this
/// VM on a GSI that leads to an event channel. The kernel of another VM signals it when that VM's guest sends.
///
/// For one thread at a time.
final class EventDoorbells {
    private final KvmEvents kvm;
    private final GsiRoutes routes;
    private final Set<Doorbell> open = new HashSet<>();

    EventDoorbells(KvmEvents kvm, GsiRoutes routes) {
        this.kvm = kvm;
        this.routes = routes;
    }

    /// An open doorbell.
    static final class Doorbell implements KernelDoorbell {
        private final EventFd eventFd;
        private final int gsi;

        private Doorbell(EventFd eventFd, int gsi) {
            this.eventFd = eventFd;
            this.gsi = gsi;
        }

        /// What is to be signalled.
        EventFd eventFd() {
            return eventFd;
        }
    }

    /// Makes a doorbell.
    ///
    /// @return null if the VM has no GSI left
    @Nullable Doorbell open(EvtchnPort port, VcpuId vcpu) {
        int gsi = routes.add(port, vcpu);
        if (gsi == GsiRoutes.NONE) {
            return null;
        }
        try {
            EventFd eventFd = EventFd.create();
            try {
                kvm.assignIrqfd(eventFd.fd(), gsi);
            } catch (RuntimeException e) {
                eventFd.close();
                throw e;
            }
            Doorbell doorbell = new Doorbell(eventFd, gsi);
            open.add(doorbell);
            return doorbell;
        } catch (RuntimeException e) {
            routes.remove(List.of(gsi));
            throw e;
        }
    }

    /// Lets a doorbell notify another vCPU.
    void move(KernelDoorbell doorbell, EvtchnPort port, VcpuId vcpu) {
        routes.set(required(doorbell).gsi, port, vcpu);
    }

    /// Ends a doorbell. When it returns, no event that it brought is under way.
    void close(KernelDoorbell doorbell) {
        Doorbell closing = required(doorbell);
        open.remove(closing);
        disconnect(closing);
        routes.remove(List.of(closing.gsi));
    }

    /// Ends them all.
    void reset() {
        List<Integer> gsis = new ArrayList<>();
        for (Doorbell doorbell : open) {
            disconnect(doorbell);
            gsis.add(doorbell.gsi);
        }
        open.clear();
        routes.remove(gsis);
    }

    private void disconnect(Doorbell doorbell) {
        kvm.deassignIrqfd(doorbell.eventFd.fd(), doorbell.gsi);
        doorbell.eventFd.close();
    }

    private Doorbell required(KernelDoorbell doorbell) {
        if (doorbell instanceof Doorbell known && open.contains(known)) {
            return known;
        }
        throw new IllegalArgumentException("not a doorbell of this domain: " + doorbell);
    }
}
