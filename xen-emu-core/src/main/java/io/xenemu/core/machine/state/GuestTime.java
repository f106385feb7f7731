package io.xenemu.core.machine.state;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.ClockData;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import java.time.Clock;
import java.time.Instant;
import java.util.List;

/// One moment in a guest's time, by all its clocks.
///
/// KVM tells the three together too (KVM_GET_CLOCK), but not before a vCPU has run, nor on a host whose counters are
/// not stable.
///
/// @param clock the VM's clock, which is Xen's system time, in nanoseconds
/// @param realtime the host's time of day, in nanoseconds since 1970
/// @param ticks the host's time stamp counter at the guest's frequency: a vCPU's counter is its offset more
/// @param khz the frequency of the guest's counters
public record GuestTime(long clock, long realtime, long ticks, int khz) {
    /// 146 years: sums of two do not overflow.
    private static final long MAX_NANOS = 1L << 62;

    private static final long NANOS_PER_SECOND = 1_000_000_000;
    private static final long NANOS_PER_MILLI = 1_000_000;

    /// @throws IllegalArgumentException if no guest has such a time
    public GuestTime {
        requireTime("clock", clock);
        requireTime("time of day", realtime);
        if (khz <= 0) {
            throw new IllegalArgumentException("time stamp counter of " + khz + " kHz");
        }
    }

    private static void requireTime(String what, long nanos) {
        if (nanos < 0 || nanos > MAX_NANOS) {
            throw new IllegalArgumentException(what + " of " + nanos + " ns");
        }
    }

    /// The present moment.
    ///
    /// @param vcpu one that is out of the guest
    public static GuestTime now(KvmVm vm, KvmVcpu vcpu) {
        long before = ticks(vcpu);
        long clock = vm.getClock().clock();
        long after = ticks(vcpu);
        Instant now = Clock.systemUTC().instant();
        return new GuestTime(
                clock,
                now.getEpochSecond() * NANOS_PER_SECOND + now.getNano(),
                before + (after - before) / 2,
                vcpu.getTscKhz());
    }

    private static long ticks(KvmVcpu vcpu) {
        return vcpu.getMsrs(SavedMsrs.TSC).getFirst().data() - vcpu.getTscOffset();
    }

    /// Lets the clocks of a new VM go on from this moment. Its vCPUs have not run: they would see another time first.
    ///
    /// @param vcpus all of them
    /// @param states theirs
    /// @throws KvmStateException if this host's processor cannot count at the guest's frequency
    void applyTo(KvmVm vm, List<KvmVcpu> vcpus, List<VcpuState> states, ClockPolicy policy)
            throws KvmStateException {
        for (KvmVcpu vcpu : vcpus) {
            applyFrequency(vcpu, khz);
        }
        // KVM adds the time that has passed since then, and never goes back.
        vm.setClock(
                switch (policy) {
                    case ADVANCE -> new ClockData(clock, ClockData.REALTIME, realtime, 0);
                    case STAND_STILL -> new ClockData(clock, 0, 0, 0);
                });
        GuestTime now = now(vm, vcpus.getFirst());
        long shift = ticks + ticksIn(now.clock - clock) - now.ticks;
        // One shift for all: counters that were equal stay so, and KVM notices that.
        for (int i = 0; i < vcpus.size(); i++) {
            vcpus.get(i).setTscOffset(states.get(i).tscOffset() + shift);
        }
    }

    /// Lets a time stamp counter run at a frequency.
    ///
    /// @throws KvmStateException if this host's processor cannot do that
    public static void applyFrequency(KvmVcpu vcpu, int khz) throws KvmStateException {
        int host = vcpu.getTscKhz();
        if (host == khz) {
            return;
        }
        try {
            vcpu.setTscKhz(khz);
        } catch (KvmException e) {
            throw new KvmStateException(
                    ("its time stamp counter runs at %d kHz, and this host, whose own runs at %d kHz,"
                                    + " cannot change that")
                            .formatted(khz, host),
                    e);
        }
    }

    /// @param nanos may be negative
    long ticksIn(long nanos) {
        return nanos / NANOS_PER_MILLI * khz + nanos % NANOS_PER_MILLI * khz / NANOS_PER_MILLI;
    }
}
