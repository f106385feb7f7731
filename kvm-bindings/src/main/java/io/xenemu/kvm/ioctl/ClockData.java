package io.xenemu.kvm.ioctl;

/// The VM's clock, which is Xen's system time, `struct kvm_clock_data`.
///
/// @param clock nanoseconds
/// @param flags which of the following are valid, and [#TSC_STABLE]
/// @param realtime the host's time of day at the same moment, nanoseconds since 1970
/// @param hostTsc the host's time stamp counter at the same moment
public record ClockData(long clock, int flags, long realtime, long hostTsc) {
    /// `KVM_CLOCK_TSC_STABLE`: all vCPUs derive the clock from one TSC.
    public static final int TSC_STABLE = 2;

    /// `KVM_CLOCK_REALTIME`: `realtime` is valid; when set, the time passed since then is added.
    public static final int REALTIME = 4;

    /// `KVM_CLOCK_HOST_TSC`: `hostTsc` is valid.
    public static final int HOST_TSC = 8;
}
