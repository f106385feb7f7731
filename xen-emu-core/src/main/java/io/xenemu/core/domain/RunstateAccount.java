package io.xenemu.core.domain;

import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import java.util.function.LongSupplier;

/// A vCPU's account of its time by Xen's runstates. KVM keeps it, and writes it to the guest's runstate area. KVM knows
/// when the vCPU's thread waits for a CPU of the host; it takes all other time for running. This class adds the rest:
///
/// | the vCPU | counts as | by |
/// |---|---|---|
/// | executes the guest, or the service does for it | running | KVM |
/// | waits for a CPU of the host | runnable | KVM |
/// | has halted, or waits in SCHEDOP_block or SCHEDOP_poll | blocked | [#correct], afterwards |
/// | was never started, or is down | offline | [#stand] |
/// | is held by a pause, a suspend or a save | offline; blocked if it has halted | [#stand] |
///
/// A thread that waits takes no CPU time. So what exceeds the thread's CPU time in KVM's running time was blocked, and
/// is moved there (RUNSTATE_ADJUST). That costs nothing until somebody asks: no halt, poll or other hypercall has an
/// ioctl for it. In return, the guest's area has a halt as running until the next correction.
///
/// For the vCPU's own thread, except where it says otherwise.
///
/// Source: arch/x86/kvm/xen.c (`kvm_xen_update_runstate`); xen/common/sched/core.c (`vcpu_runstate_change`).
final class RunstateAccount {
    private final VcpuPort port;
    private final boolean kept;
    private final LongSupplier clock;

    /// Whether the vCPU's thread has begun.
    private boolean begun;

    /// Whether the vCPU is held.
    private boolean held;

    /// KVM's running time, and the thread's CPU time, at the last correction.
    private long running;

    private long cpuTime;

    /// Begins the account of a new vCPU. For the thread that makes it.
    ///
    /// @param kept whether the host accounts runstates; if not, all time counts as running
    /// @param clock the VM's, in nanoseconds
    RunstateAccount(VcpuPort port, boolean kept, LongSupplier clock) {
        this.port = port;
        this.kept = kept;
        this.clock = clock;
        if (kept) {
            port.runstateCurrent(Runstate.OFFLINE);
        }
    }

    /// The vCPU's thread begins.
    void begin() {
        cpuTime = port.cpuTime();
        begun = true;
    }

    /// The vCPU is about to stand still: it has gone down, or is to be held. The next entry to the guest ends that.
    void stand(boolean isHeld) {
        held = isHeld;
        if (kept) {
            port.runstateCurrent(state());
        }
    }

    /// The vCPU is no longer held.
    void goOn() {
        held = false;
    }

    /// The account until now, which the guest's area has too from now on.
    ///
    /// @param calling whether the vCPU is in a hypercall
    Runstate correct(boolean calling) {
        int state = calling ? Runstate.RUNNING : state();
        if (!kept) {
            long now = clock.getAsLong();
            return new Runstate(state, now, now, 0, 0, 0);
        }
        long cpuNow = port.cpuTime();
        port.runstateCurrent(state);
        Runstate now = port.runstateData();
        if (!begun) {
            return now;
        }
        long waited = (now.timeRunning() - running) - (cpuNow - cpuTime);
        if (waited > 0) {
            port.runstateAdjust(new Runstate(Runstate.UNCHANGED, 0, -waited, 0, waited, 0));
            now =
                    new Runstate(
                            now.state(),
                            now.stateEntryTime(),
                            now.timeRunning() - waited,
                            now.timeRunnable(),
                            now.timeBlocked() + waited,
                            now.timeOffline());
        }
        running = now.timeRunning();
        cpuTime = cpuNow;
        return now;
    }

    /// The state of the vCPU when it is not in a hypercall.
    private int state() {
        MpState state = port.getMpState();
        if (VcpuPower.isAtRest(port, state)) {
            return Runstate.OFFLINE;
        }
        if (state == MpState.HALTED) {
            return Runstate.BLOCKED;
        }
        return held || !begun ? Runstate.OFFLINE : Runstate.RUNNING;
    }

    /// The account of a vCPU that is held, to be saved.
    Runstate save() {
        return kept ? correct(false) : Runstate.NONE;
    }

    /// Goes on with a saved account. The time since then counts for the state in which the vCPU was saved. Before the
    /// vCPU is started, by any thread.
    ///
    /// @throws io.xenemu.kvm.abi.KvmException EINVAL if the VM's clock is behind the account
    void restore(Runstate saved) {
        if (kept && saved.stateEntryTime() != 0) {
            Runstate upToNow = upTo(clock.getAsLong(), saved);
            port.runstateData(upToNow);
            running = upToNow.timeRunning();
        }
    }

    /// The account without the time after a moment. The VM's clock was saved a little before the account, when the vCPU
    /// stood still already: that little is in the state in which it was saved.
    private static Runstate upTo(long moment, Runstate saved) {
        boolean isBlocked = saved.state() == Runstate.BLOCKED;
        long still = isBlocked ? saved.timeBlocked() : saved.timeOffline();
        long after = Math.min(still, Math.max(0, saved.stateEntryTime() - moment));
        return new Runstate(
                saved.state(),
                saved.stateEntryTime() - after,
                saved.timeRunning(),
                saved.timeRunnable(),
                saved.timeBlocked() - (isBlocked ? after : 0),
                saved.timeOffline() - (isBlocked ? 0 : after));
    }
}
