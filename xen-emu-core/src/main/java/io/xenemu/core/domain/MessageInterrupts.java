package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.delivery.EventFdThread;
import io.xenemu.core.delivery.EventIrqfd;
import io.xenemu.core.delivery.GsiRoutes;
import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Pirq;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The eventfds with which devices send messages that the guest has turned into PIRQs. While the kernel can deliver to
/// the PIRQ's port, the eventfd is an irqfd on a GSI that is routed to that port (`KVM_IRQ_ROUTING_XEN_EVTCHN`). Then
/// the message never leaves the kernel. Otherwise a thread receives it and raises the event in user space.
///
/// The thread always waits on the eventfd. An irqfd comes before other readers and leaves them nothing (since Linux
/// 5.12), so no message is lost when one takes over from the other. A message that arrives just then may come twice,
/// which does no harm.
public final class MessageInterrupts {
    private static final Logger log = LoggerFactory.getLogger(MessageInterrupts.class);

    private final Domain domain;
    private final VmPort vm;
    private final GsiRoutes routes;

    @GuardedBy("this")
    private final Map<Pirq, Message> messages = new HashMap<>();

    @GuardedBy("this")
    private final Map<Pirq, Target> targets = new HashMap<>();

    MessageInterrupts(Domain domain, GsiRoutes routes) {
        this.domain = domain;
        this.vm = domain.vm();
        this.routes = routes;
    }

    private record Target(EvtchnPort port, VcpuId vcpu) {}

    private static final class Message {
        final EventFdThread thread;
        @Nullable EventIrqfd irqfd;

        Message(EventFdThread thread) {
            this.thread = thread;
        }
    }

    /// Opens the eventfd for a device's message: the guest has programmed the device with vector 0 and a PIRQ as
    /// destination.
    ///
    /// @return the eventfd, open until [#close]; each signal is one message
    /// @throws XenError `EINVAL` there is no such PIRQ, or it is mapped to a GSI
    /// @throws IllegalStateException if a device has it already
    public EventFd open(Pirq pirq) throws XenError {
        // Our lock is not held here: the call reaches #route.
        domain.eventChannels().pirqs().mapMsi(pirq);
        synchronized (this) {
            if (messages.containsKey(pirq)) {
                throw new IllegalStateException(pirq + " has a device already");
            }
            String name = domain.id() + "-pirq" + pirq.value();
            Message message = new Message(domain.threads().start(name, () -> raise(pirq)));
            try {
                connect(message, targets.get(pirq));
            } catch (RuntimeException e) {
                message.thread.close();
                throw e;
            }
            messages.put(pirq, message);
            return message.thread.eventFd();
        }
    }

    /// As in Xen, a message maps its PIRQ again if the guest has unmapped it. It is dropped if the guest has mapped the
    /// PIRQ to a GSI instead.
    private void raise(Pirq pirq) {
        try {
            domain.eventChannels().pirqs().raiseMsi(pirq);
        } catch (XenError e) {
            log.debug("{}: message to {} dropped: {}", domain, pirq, e.getMessage());
        }
    }

    /// Closes a device's message. Signals that are not served yet may be lost.
    public synchronized void close(Pirq pirq) {
        Message message = messages.remove(pirq);
        if (message != null) {
            disconnect(message);
            message.thread.close();
        }
    }

    /// Lets the kernel deliver a PIRQ from now on, or to another port or vCPU.
    synchronized void route(Pirq pirq, EvtchnPort port, VcpuId vcpu) {
        Target target = new Target(port, vcpu);
        targets.put(pirq, target);
        Message message = messages.get(pirq);
        if (message != null) {
            connect(message, target);
        }
    }

    /// Leaves a PIRQ to its thread. When it returns, no event that the kernel delivered is in progress.
    synchronized void unroute(Pirq pirq) {
        targets.remove(pirq);
        Message message = messages.get(pirq);
        if (message != null) {
            disconnect(message);
        }
    }

    /// Leaves every PIRQ to its thread.
    synchronized void reset() {
        targets.clear();
        messages.values().forEach(this::disconnect);
    }

    /// The reason against a save: a device has a message. Without one, everything here follows from the event channels.
    synchronized Optional<String> blocker() {
        return messages.isEmpty() ? Optional.empty() : Optional.of("a device sends it messages");
    }

    /// Closes every message.
    synchronized void close() {
        reset();
        messages.values().forEach(message -> message.thread.close());
        messages.clear();
    }

    @GuardedBy("this")
    private void connect(Message message, @Nullable Target target) {
        if (target == null) {
            return;
        }
        if (message.irqfd != null) {
            message.irqfd.move(target.port, target.vcpu);
            return;
        }
        // Without a free GSI, the thread goes on serving it.
        message.irqfd =
                EventIrqfd.connect(vm, routes, message.thread.eventFd(), target.port, target.vcpu);
    }

    @GuardedBy("this")
    private void disconnect(Message message) {
        if (message.irqfd != null) {
            EventIrqfd.disconnect(routes, List.of(message.irqfd));
            message.irqfd = null;
        }
    }
}
