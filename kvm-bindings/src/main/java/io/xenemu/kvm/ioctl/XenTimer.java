package io.xenemu.kvm.ioctl;

/// A vCPU's single-shot timer in the kernel, the `timer` of `struct kvm_xen_vcpu_attr`.
///
/// @param port the guest's port that the timer signals; 0 for no in-kernel timer
/// @param expiresNs expiry in absolute nanoseconds of the VM's clock; 0 if the timer is not armed
public record XenTimer(int port, long expiresNs) {
    /// No timer in the kernel: timer hypercalls exit to user space.
    public static final XenTimer NONE = new XenTimer(0, 0);
}
