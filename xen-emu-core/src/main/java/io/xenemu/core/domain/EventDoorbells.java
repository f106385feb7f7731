package io.xenemu.core.domain;

import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.KernelDoorbell;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmEvents;
import io.xenemu.kvm.memory.EventFd;
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
        private final EventIrqfd irqfd;

        private Doorbell(EventIrqfd irqfd) {
            this.irqfd = irqfd;
        }

        /// What is to be signalled.
        EventFd eventFd() {
            return irqfd.eventFd();
        }
    }

    /// Makes a doorbell.
    ///
    /// @return null if the VM has no GSI left
    @Nullable Doorbell open(EvtchnPort port, VcpuId vcpu) {
        EventFd eventFd = EventFd.create();
        Doorbell doorbell = null;
        try {
            EventIrqfd irqfd = EventIrqfd.connect(kvm, routes, eventFd, port, vcpu);
            if (irqfd != null) {
                doorbell = new Doorbell(irqfd);
                open.add(doorbell);
            }
            return doorbell;
        } finally {
            if (doorbell == null) {
                eventFd.close();
            }
        }
    }

    /// Lets a doorbell notify another vCPU.
    void move(KernelDoorbell doorbell, EvtchnPort port, VcpuId vcpu) {
        required(doorbell).irqfd.move(port, vcpu);
    }

    /// Ends a doorbell. When it returns, no event that it brought is under way.
    void close(KernelDoorbell doorbell) {
        Doorbell closing = required(doorbell);
        open.remove(closing);
        end(List.of(closing));
    }

    /// Ends them all.
    void reset() {
        List<Doorbell> closing = List.copyOf(open);
        open.clear();
        end(closing);
    }

    private void end(List<Doorbell> closing) {
        EventIrqfd.disconnect(routes, closing.stream().map(doorbell -> doorbell.irqfd).toList());
        closing.forEach(doorbell -> doorbell.eventFd().close());
    }

    private Doorbell required(KernelDoorbell doorbell) {
        if (doorbell instanceof Doorbell known && open.contains(known)) {
            return known;
        }
        throw new IllegalArgumentException("not a doorbell of this domain: " + doorbell);
    }
}
