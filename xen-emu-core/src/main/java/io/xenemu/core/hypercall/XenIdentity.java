package io.xenemu.core.hypercall;

/// The texts by which this hypervisor tells guests and operators what it is.
public final class XenIdentity {
    /// What follows the numbers of the version.
    public static final String EXTRAVERSION = ".0-xen-emu";

    /// The interfaces that guests can have (`XENVER_capabilities`).
    public static final String CAPABILITIES =
            "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";

    private XenIdentity() {}
}
