package io.xenemu.kvm.ioctl;

import java.util.EnumSet;
import java.util.Set;

/// The features of a kernel's Xen interface: the flags of KVM_CAP_XEN_HVM's answer (`KVM_XEN_HVM_CONFIG_*` in
/// `linux/kvm.h`).
public enum XenCapability {
    /// The guest writes an MSR to make the kernel fill a hypercall page.
    HYPERCALL_MSR(0),
    /// Hypercalls exit to user space as KVM_EXIT_XEN. May be configured.
    INTERCEPT_HCALL(1),
    /// Attributes for shared_info, vcpu_info and the upcall vector.
    SHARED_INFO(2),
    /// Runstate accounting; needs a kernel with CONFIG_SCHED_INFO.
    RUNSTATE(3),
    /// GSI routes to event channels.
    EVTCHN_2LEVEL(4),
    /// KVM_XEN_HVM_EVTCHN_SEND, the table of outbound ports, in-kernel timers and polling. May be configured.
    EVTCHN_SEND(5),
    /// The attribute that turns on Xen's runstate update protocol.
    RUNSTATE_UPDATE_FLAG(6),
    /// The guest's clocks are never marked as stable. May be configured.
    PVCLOCK_TSC_UNSTABLE(7),
    /// shared_info and vcpu_info by user-space address.
    SHARED_INFO_HVA(8);

    private final int bit;

    XenCapability(int bit) {
        this.bit = bit;
    }

    /// The flags that KVM_XEN_HVM_CONFIG accepts; any other makes it fail with EINVAL.
    public static final Set<XenCapability> CONFIGURABLE =
            Set.of(INTERCEPT_HCALL, EVTCHN_SEND, PVCLOCK_TSC_UNSTABLE);

    /// This capability's bit.
    public int flag() {
        return 1 << bit;
    }

    /// Decodes the answer to KVM_CHECK_EXTENSION(KVM_CAP_XEN_HVM). Ignores bits of newer kernels.
    public static EnumSet<XenCapability> decode(int flags) {
        EnumSet<XenCapability> set = EnumSet.noneOf(XenCapability.class);
        for (XenCapability capability : values()) {
            if ((flags & capability.flag()) != 0) {
                set.add(capability);
            }
        }
        return set;
    }

    /// The flags of a set.
    public static int encode(Set<XenCapability> set) {
        int flags = 0;
        for (XenCapability capability : set) {
            flags |= capability.flag();
        }
        return flags;
    }
}
