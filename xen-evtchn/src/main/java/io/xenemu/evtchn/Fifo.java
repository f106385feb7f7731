package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/// The FIFO ABI: an event word for each port, queued per vCPU and priority (`xen/include/public/event_channel.h`, and
/// the design paper that it names). Served only in user space: KVM implements only [TwoLevel].
///
/// Locks: the monitors of [FifoQueue]s, below those of [Channel]s. Of two queues, the one of the lower vCPU and
/// priority is locked first.
final class Fifo implements EventAbi {
    /// Ports, the reserved port 0 included (`EVTCHN_FIFO_NR_CHANNELS`).
    static final int PORTS = 1 << EventArray.LINK_BITS;

    /// Priorities, 0 the most urgent (`EVTCHN_FIFO_MAX_QUEUES`).
    static final int PRIORITIES = 16;

    /// The priority of a port for which none was set (`EVTCHN_FIFO_PRIORITY_DEFAULT`).
    static final int DEFAULT_PRIORITY = 7;

    /// How often an event's queue may change while it is being locked, as in Xen. Each retry needs a change by
    /// another thread.
    private static final int LOCK_TRIES = 3;

    private final EventArray words = new EventArray();
    private final AtomicReferenceArray<@Nullable ControlBlock> controls;
    private final FifoQueue[] queues;

    Fifo(Bindings owner) {
        controls = new AtomicReferenceArray<>(owner.vcpus());
        queues = new FifoQueue[owner.vcpus() * PRIORITIES];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new FifoQueue(owner.vcpu(i / PRIORITIES), i % PRIORITIES, i);
        }
    }

    EventArray words() {
        return words;
    }

    @Nullable ControlBlock control(int vcpu) {
        return controls.get(vcpu);
    }

    /// Gives a vCPU its control block.
    ///
    /// @throws XenError `EINVAL` if it has one
    void control(Vcpu vcpu, ControlBlock block) throws XenError {
        if (!controls.compareAndSet(vcpu.id.value(), null, block)) {
            throw XenError.EINVAL;
        }
    }

    FifoQueue queue(int vcpu, int priority) {
        return queues[vcpu * PRIORITIES + priority];
    }

    FifoQueue[] queues() {
        return queues;
    }

    @Override
    public int limit() {
        return PORTS;
    }

    @Override
    public boolean setPending(Channel channel, Vcpu vcpu) {
        int port = channel.port.value();
        if (!words.has(port)) {
            channel.latch();
            // The port's page may have been added meanwhile, by a thread that did not see the
            // latch.
            if (!words.has(port) || !channel.takeLatch()) {
                return false;
            }
        }
        for (int i = 0; i < LOCK_TRIES; i++) {
            FifoQueue queue = queue(vcpu.id.value(), channel.priority);
            FifoQueue last = lastQueue(channel);
            boolean inOrder = queue.order <= last.order;
            synchronized (inOrder ? queue : last) {
                synchronized (inOrder ? last : queue) {
                    if (queue.priority == channel.priority && last == lastQueue(channel)) {
                        ControlBlock control = controls.get(vcpu.id.value());
                        return queue.append(channel, last, words, control) && notify(vcpu);
                    }
                }
            }
        }
        words.testAndSet(port, EventArray.PENDING);
        return false;
    }

    /// The queue where an event was last. An event that was never queued counts as one of the very first queue. So two
    /// threads that read different vCPUs for it still share a lock.
    private FifoQueue lastQueue(Channel channel) {
        FifoQueue last = channel.lastQueue;
        return last == null ? queues[0] : last;
    }

    private static boolean notify(Vcpu vcpu) {
        VcpuInfo info = vcpu.info;
        return info != null && info.setUpcallPending();
    }

    @Override
    public boolean isPending(Channel channel) {
        int port = channel.port.value();
        return words.has(port) ? words.test(port, EventArray.PENDING) : channel.isLatched();
    }

    /// The event stays in its queue until the guest drops it: a closed port that is in a queue is busy.
    @Override
    public void clearPending(Channel channel) {
        channel.takeLatch();
        if (words.has(channel.port.value())) {
            words.clear(channel.port.value(), EventArray.PENDING);
        }
    }

    @Override
    public boolean unmask(Channel channel, Vcpu vcpu) {
        int port = channel.port.value();
        if (!words.has(port)) {
            return false;
        }
        words.clear(port, EventArray.MASKED);
        return words.test(port, EventArray.PENDING) && setPending(channel, vcpu);
    }

    @Override
    public boolean announce(Channel channel, Vcpu vcpu) {
        int port = channel.port.value();
        if (!words.has(port)) {
            return false;
        }
        int word = words.get(port);
        boolean waits =
                (word & (EventArray.PENDING | EventArray.MASKED | EventArray.LINKED))
                        == EventArray.PENDING;
        return waits && setPending(channel, vcpu);
    }

    @Override
    public boolean announceAgain(Vcpu vcpu) {
        VcpuInfo info = vcpu.info;
        ControlBlock control = controls.get(vcpu.id.value());
        if (info == null) {
            return false;
        }
        if (control != null && control.isReady()) {
            info.setUpcallPending();
        }
        return info.isUpcallPending();
    }

    @Override
    public boolean isBusy(int port) {
        return words.has(port) && words.test(port, EventArray.LINKED);
    }

    @Override
    public boolean hasPriorities() {
        return true;
    }

    /// An event that is already in a queue stays there until the guest takes it.
    @Override
    public void setPriority(Channel channel, int priority) throws XenError {
        if (Integer.compareUnsigned(priority, PRIORITIES) >= 0) {
            throw XenError.EINVAL;
        }
        channel.priority = priority;
    }
}
