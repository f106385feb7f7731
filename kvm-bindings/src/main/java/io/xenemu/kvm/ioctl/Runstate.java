package io.xenemu.kvm.ioctl;

/// How a vCPU has spent its time: `runstate` of `struct kvm_xen_vcpu_attr`. All times are nanoseconds of the VM's
/// clock.
///
/// @param state Xen's `RUNSTATE_*`; [#UNCHANGED] in an adjustment
/// @param stateEntryTime when that state was entered; the kernel requires that it equals the sum of the four times
/// @param timeRunning RUNSTATE_running, 0
/// @param timeRunnable RUNSTATE_runnable, 1
/// @param timeBlocked RUNSTATE_blocked, 2
/// @param timeOffline RUNSTATE_offline, 3
public record Runstate(
        long state,
        long stateEntryTime,
        long timeRunning,
        long timeRunnable,
        long timeBlocked,
        long timeOffline) {
    /// In an adjustment: leave the state as it is.
    public static final long UNCHANGED = -1;
}
