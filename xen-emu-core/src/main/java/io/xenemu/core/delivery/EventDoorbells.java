package io.xenemu.core.delivery;

import io.xenemu.core.host.HostBudget;
import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.KernelDoorbell;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.memory.EventFd;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Eventfds through which other domains' kernels deliver events to this one. Each is an irqfd of this VM on a GSI
/// that is routed to one event channel. The kernel of another VM signals it when that VM's guest sends.
///
/// Not thread-safe.
public final class EventDoorbells {
    private final VmPort vm;
    private final GsiRoutes routes;
    private final HostBudget.Share descriptors;
    private final Set<Doorbell> open = new HashSet<>();

    /// @param descriptors the domain's share: each doorbell takes one
    public EventDoorbells(VmPort vm, GsiRoutes routes, HostBudget.Share descriptors) {
        this.vm = vm;
        this.routes = routes;
        this.descriptors = descriptors;
    }

    /// An open doorbell.
    public static final class Doorbell implements KernelDoorbell {
        private final EventIrqfd irqfd;

        private Doorbell(EventIrqfd irqfd) {
            this.irqfd = irqfd;
        }

        /// The eventfd to signal.
        public EventFd eventFd() {
            return irqfd.eventFd();
        }
    }

    /// Opens a doorbell.
    ///
    /// @return null if the VM has no GSI left, or the domain or the process no descriptor: user space then delivers
    ///     the events
    public @Nullable Doorbell open(EvtchnPort port, VcpuId vcpu) {
        EventFd eventFd = newEventFd();
        if (eventFd == null) {
            return null;
        }
        Doorbell doorbell = null;
        try {
            EventIrqfd irqfd = EventIrqfd.connect(vm, routes, eventFd, port, vcpu);
            if (irqfd != null) {
                doorbell = new Doorbell(irqfd);
                open.add(doorbell);
            }
            return doorbell;
        } finally {
            if (doorbell == null) {
                eventFd.close();
                descriptors.give(1);
            }
        }
    }

    private @Nullable EventFd newEventFd() {
        if (!descriptors.take(1)) {
            return null;
        }
        try {
            return EventFd.create();
        } catch (KvmException e) {
            descriptors.give(1);
            // Descriptors outside of guests, such as connections, have used up the rest.
            if (e.errno() == Errno.EMFILE || e.errno() == Errno.ENFILE) {
                return null;
            }
            throw e;
        }
    }

    /// Makes a doorbell notify another vCPU.
    public void move(KernelDoorbell doorbell, EvtchnPort port, VcpuId vcpu) {
        required(doorbell).irqfd.move(port, vcpu);
    }

    /// Closes a doorbell. When it returns, no event that it delivered is in progress.
    public void close(KernelDoorbell doorbell) {
        Doorbell closing = required(doorbell);
        open.remove(closing);
        end(List.of(closing));
    }

    /// Closes all doorbells.
    public void reset() {
        List<Doorbell> closing = List.copyOf(open);
        open.clear();
        end(closing);
    }

    private void end(List<Doorbell> closing) {
        EventIrqfd.disconnect(routes, closing.stream().map(doorbell -> doorbell.irqfd).toList());
        closing.forEach(doorbell -> doorbell.eventFd().close());
        descriptors.give(closing.size());
    }

    private Doorbell required(KernelDoorbell doorbell) {
        if (doorbell instanceof Doorbell known && open.contains(known)) {
            return known;
        }
        throw new IllegalArgumentException("not a doorbell of this domain: " + doorbell);
    }
}
