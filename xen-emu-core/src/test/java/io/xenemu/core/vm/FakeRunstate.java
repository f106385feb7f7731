package io.xenemu.core.vm;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.Runstate;

/// The account of a [FakeVcpu]'s time, by the rules of KVM, and the host's account of the thread that runs the vCPU.
/// Guarded by the monitor of the VM.
final class FakeRunstate {
    private static final String SET = "KVM_XEN_VCPU_SET_ATTR";
    private static final int STATES = 4;

    private final long[] times = new long[STATES];
    private int state;
    private long entryTime;
    private long cpuTime;
    private long runDelay;

    /// The run delay that is in the account.
    private long accounted;

    /// KVM takes the time before the first change for offline, and the thread's waits for a CPU out of running.
    void enter(int next, long now) {
        requireState(next);
        if (entryTime == 0) {
            state = Runstate.OFFLINE;
        }
        long passed = now - entryTime;
        if (state == Runstate.RUNNING) {
            long stolen = runDelay - accounted;
            times[Runstate.RUNNABLE] += stolen;
            passed -= stolen;
        }
        accounted = runDelay;
        times[state] += passed;
        state = next;
        entryTime = now;
    }

    Runstate data() {
        return new Runstate(state, entryTime, times[0], times[1], times[2], times[3]);
    }

    void replace(Runstate data, long now) {
        requireState(data.state());
        requireTimes(data, data.stateEntryTime() <= now);
        state = (int) data.state();
        entryTime = data.stateEntryTime();
        for (int i = 0; i < STATES; i++) {
            times[i] = time(data, i);
        }
        accounted = runDelay;
    }

    void adjust(Runstate delta, long now) {
        if (delta.state() != Runstate.UNCHANGED) {
            requireState(delta.state());
        }
        requireTimes(delta, entryTime + delta.stateEntryTime() <= now);
        entryTime += delta.stateEntryTime();
        for (int i = 0; i < STATES; i++) {
            times[i] += time(delta, i);
        }
        if (delta.state() != Runstate.UNCHANGED) {
            enter((int) delta.state(), now);
        }
    }

    long cpuTime() {
        return cpuTime;
    }

    void pass(long moreCpuTime, long moreRunDelay) {
        cpuTime += moreCpuTime;
        runDelay += moreRunDelay;
    }

    private static long time(Runstate data, int state) {
        return switch (state) {
            case Runstate.RUNNING -> data.timeRunning();
            case Runstate.RUNNABLE -> data.timeRunnable();
            case Runstate.BLOCKED -> data.timeBlocked();
            default -> data.timeOffline();
        };
    }

    private static void requireState(long state) {
        if (state < 0 || state >= STATES) {
            throw new KvmException(SET, Errno.EINVAL);
        }
    }

    private static void requireTimes(Runstate data, boolean isPast) {
        if (data.stateEntryTime() != data.total() || !isPast) {
            throw new KvmException(SET, Errno.EINVAL);
        }
    }
}
