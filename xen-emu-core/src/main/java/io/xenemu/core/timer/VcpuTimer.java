package io.xenemu.core.timer;

import io.xenemu.core.vm.VcpuPort;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.XenTimer;
import java.util.function.LongSupplier;

/// A vCPU's timers. KVM runs the one-shot timer and serves its hypercalls once VIRQ_TIMER is bound. A deadline that is
/// set before is kept here, and passed to KVM with the port. If KVM cannot raise the event, with the FIFO ABI or a
/// callback by an interrupt line, user space runs the timer.
///
/// Only the vCPU's own thread uses it, except for the periodic timer, which any thread may set and stop.
public final class VcpuTimer {
    /// Xen's bounds of a period: 1 ms, and the limit of its arithmetic (`STIME_MAX / 2`).
    public static final long MIN_PERIOD_NANOS = 1_000_000;

    /// See [#MIN_PERIOD_NANOS].
    public static final long MAX_PERIOD_NANOS = Long.MAX_VALUE / 2;

    /// The longest timeout, about 13 days. A longer or a negative one comes from an overflow in the guest, and becomes
    /// a short one (`do_set_timer_op` of Xen, and KVM).
    private static final long MAX_TIMEOUT_NANOS = 1L << 50;

    private static final long SHORT_TIMEOUT_NANOS = 100_000_000;

    /// A time in the past; 0 would mean none.
    private static final long LONG_AGO = 1;

    private final VcpuPort vcpu;
    private final EventChannels channels;
    private final VcpuId id;
    private final DomainTimers timers;
    private final LongSupplier clock;
    private final OneShotTimer userSpace;
    private final PeriodicTimer periodic;

    /// Raises VIRQ_TIMER.
    private final Runnable raise;

    /// The port of KVM's timer; 0 if it has none.
    private int kernelPort;

    /// The deadline to pass to KVM with the port.
    private long kept;

    /// The saved state of a vCPU's timers. VIRQ_TIMER's port is in the event channels' state.
    ///
    /// @param deadline of the one-shot timer, in ns of system time; 0 if it is not running
    /// @param period of the periodic timer, in ns; 0 if there is none, else from [#MIN_PERIOD_NANOS] to
    ///     [#MAX_PERIOD_NANOS]
    public record State(long deadline, long period) {}

    /// @param clock the guest's current system time
    public VcpuTimer(
            VcpuPort vcpu,
            EventChannels channels,
            VcpuId id,
            DomainTimers timers,
            LongSupplier clock) {
        this.vcpu = vcpu;
        this.channels = channels;
        this.id = id;
        this.timers = timers;
        this.clock = clock;
        raise = () -> channels.raiseVcpu(Virq.TIMER, id);
        this.userSpace = new OneShotTimer(timers, clock, raise);
        this.periodic = new PeriodicTimer(timers, raise);
    }

    /// set_timer_op: as [#setDeadline], and corrects timeouts that a guest has miscalculated.
    public void setTimeout(long nanos) {
        long now = nanos == 0 ? 0 : clock.getAsLong();
        boolean overflown = nanos < 0 || nanos - now > MAX_TIMEOUT_NANOS;
        setDeadline(overflown ? now + SHORT_TIMEOUT_NANOS : nanos);
    }

    /// VCPUOP_set_singleshot_timer: as [#setDeadline], but 0 is a time in the past like any other.
    public void setSingleshot(long nanos) {
        setDeadline(nanos == 0 ? LONG_AGO : nanos);
    }

    /// Whether a time, in ns and unsigned, is in the past.
    public boolean isOver(long nanos) {
        return Long.compareUnsigned(nanos, clock.getAsLong()) < 0;
    }

    /// Sets the timer, in ns of system time; 0 stops it. A time in the past fires at once; the event is lost if
    /// VIRQ_TIMER is not bound.
    public void setDeadline(long nanos) {
        kept = 0;
        long _ = userSpace.stop();
        if (nanos != 0 && isUserSpaces() && nanos <= clock.getAsLong()) {
            raise.run();
        } else {
            start(nanos);
        }
    }

    /// Whether user space runs the one-shot timer.
    private boolean isUserSpaces() {
        return kernelPort == 0
                && channels.timerPort(id).equals(EvtchnPort.NONE)
                && !channels.isKernelDelivering();
    }

    private void start(long nanos) {
        int port = channels.timerPort(id).value();
        if (port != 0 || kernelPort != 0) {
            vcpu.timer(port == 0 ? XenTimer.NONE : new XenTimer(port, nanos));
        }
        kernelPort = port;
        if (port == 0 && channels.isKernelDelivering()) {
            kept = nanos == 0 || isOver(nanos) ? 0 : nanos;
        } else if (port == 0) {
            userSpace.set(nanos);
        }
    }

    /// Raises VIRQ_TIMER every `nanos`, instead of an earlier period. Thread-safe.
    public void setPeriod(long nanos) {
        periodic.set(nanos);
    }

    /// Stops the periodic timer, if it runs. Thread-safe.
    public void stopPeriod() {
        long _ = periodic.stop();
    }

    /// Their state now, for an operator. They go on.
    public State look() {
        long deadline = kept;
        if (kernelPort != 0) {
            deadline = vcpu.timer().expiresNs();
        }
        return new State(deadline == 0 ? userSpace.deadline() : deadline, periodic.period());
    }

    /// Stops the timers of a stopped vCPU, and returns their state. Events of timers that have expired are pending in
    /// guest memory when this returns, so save memory and event channels after it.
    ///
    /// One event may come twice: that of a KVM timer that expires during the call.
    public State suspend() {
        long deadline = kept;
        if (kernelPort != 0) {
            deadline = vcpu.timer().expiresNs();
            vcpu.timer(new XenTimer(kernelPort, 0));
        }
        kept = 0;
        long waiting = userSpace.stop();
        State state = new State(deadline == 0 ? waiting : deadline, periodic.stop());
        timers.awaitTick();
        return state;
    }

    /// Continues from [#suspend]'s state, after the event channels and the guest's clock. A deadline in the past
    /// fires at once.
    public void restore(State state) {
        setDeadline(state.deadline());
        if (state.period() != 0) {
            setPeriod(state.period());
        }
    }

    /// Takes over VIRQ_TIMER's current port, and whether KVM can raise its event. A running timer goes on, except one
    /// of KVM's whose port has been closed.
    public void portChanged() {
        long waiting = userSpace.stop();
        long running = kept;
        if (kernelPort != 0) {
            boolean closed =
                    channels.isKernelDelivering() && channels.timerPort(id).equals(EvtchnPort.NONE);
            running = closed ? 0 : vcpu.timer().expiresNs();
        }
        kept = 0;
        start(running == 0 ? waiting : running);
    }
}
