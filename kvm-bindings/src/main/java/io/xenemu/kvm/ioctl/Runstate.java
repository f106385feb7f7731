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
    /// `RUNSTATE_running`: a CPU of the host executes the vCPU.
    public static final int RUNNING = 0;

    /// `RUNSTATE_runnable`: it waits for a CPU of the host.
    public static final int RUNNABLE = 1;

    /// `RUNSTATE_blocked`: it waits for an event.
    public static final int BLOCKED = 2;

    /// `RUNSTATE_offline`: it is down, or paused.
    public static final int OFFLINE = 3;

    /// In an adjustment: leave the state as it is.
    public static final long UNCHANGED = -1;

    /// A vCPU without any time yet. KVM counts its time from the VM's creation on as offline.
    public static final Runstate NONE = new Runstate(OFFLINE, 0, 0, 0, 0, 0);

    /// The sum of the four times.
    public long total() {
        return timeRunning + timeRunnable + timeBlocked + timeOffline;
    }
}
