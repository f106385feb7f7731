package io.xenemu.core.domain;

import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.XenTimer;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/// A vCPU's timers. The one-shot timer: KVM runs it and serves its hypercalls as soon as VIRQ_TIMER is bound; a deadline that was set
/// before is kept here and given to KVM with the port.
///
/// Used by the vCPU's own thread alone.
public final class VcpuTimer {
    private final KvmVcpu kvm;
    private final EventChannels channels;
    private final VcpuId id;
    private final PeriodicTimers timers;
    private long deadline;
    private @Nullable Future<?> periodic;

    VcpuTimer(KvmVcpu kvm, EventChannels channels, VcpuId id, PeriodicTimers timers) {
        this.kvm = kvm;
        this.channels = channels;
        this.id = id;
        this.timers = timers;
    }

    /// Sets the timer, in ns of system time; 0 stops it.
    public void setDeadline(long nanos) {
        deadline = nanos;
        int port = channels.timerPort(id).value();
        if (port != 0) {
            kvm.xen().timer(new XenTimer(port, nanos));
        }
    }

    /// Raises VIRQ_TIMER every `nanos`, in place of an earlier period; user space does so, KVM has no such timer.
    public void setPeriod(long nanos) {
        stopPeriod();
        periodic = timers.start(nanos, () -> channels.raiseVcpu(Virq.TIMER, id));
    }

    /// Ends what [#setPeriod] began, if anything.
    public void stopPeriod() {
        Future<?> running = periodic;
        if (running != null) {
            running.cancel(false);
            periodic = null;
        }
    }

    /// Takes over the port that VIRQ_TIMER is bound to now.
    void portChanged() {
        int port = channels.timerPort(id).value();
        kvm.xen().timer(port == 0 ? XenTimer.NONE : new XenTimer(port, deadline));
        deadline = 0;
    }
}
