package io.xenemu.core.xenimage;

import io.xenemu.kvm.wire.WireException;

/// The records of libxc's image.
///
/// Source: docs/specs/libxc-migration-stream.pandoc of Xen.
enum LibxcRecord implements RecordKind {
    /// The last one.
    END(0, Fate.TAKEN, ""),
    /// Some pages of memory.
    PAGE_DATA(1, Fate.TAKEN, ""),
    X86_PV_INFO(2, Fate.REFUSED, Why.PV),
    X86_PV_P2M_FRAMES(3, Fate.REFUSED, Why.PV),
    X86_PV_VCPU_BASIC(4, Fate.REFUSED, Why.PV),
    X86_PV_VCPU_EXTENDED(5, Fate.REFUSED, Why.PV),
    X86_PV_VCPU_XSAVE(6, Fate.REFUSED, Why.PV),
    SHARED_INFO(7, Fate.REFUSED, Why.PV),
    /// The time stamp counter.
    X86_TSC_INFO(8, Fate.TAKEN, ""),
    /// The processors, in [HvmRecord]s.
    HVM_CONTEXT(9, Fate.TAKEN, ""),
    /// HVM parameters.
    HVM_PARAMS(0xa, Fate.TAKEN, ""),
    TOOLSTACK(0xb, Fate.REFUSED, "only Xen before 4.6 wrote it"),
    X86_PV_VCPU_MSRS(0xc, Fate.REFUSED, Why.PV),
    /// Begins a second copy of the pages.
    VERIFY(0xd, Fate.IGNORED, "the pages after it are those before it"),
    CHECKPOINT(0xe, Fate.REFUSED, Why.CHECKPOINTS),
    CHECKPOINT_DIRTY_PFN_LIST(0xf, Fate.REFUSED, Why.CHECKPOINTS),
    /// Ends what does not change while a guest runs.
    STATIC_DATA_END(0x10, Fate.TAKEN, ""),
    /// The CPUID leaves of the guest's processor.
    X86_CPUID_POLICY(0x11, Fate.TAKEN, ""),
    /// MSRs that tell features of the guest's processor.
    X86_MSR_POLICY(0x12, Fate.TAKEN, "");

    /// Reasons that several records have.
    private static final class Why {
        static final String PV = "only a PV guest has it";
        static final String CHECKPOINTS = "it belongs to a stream of checkpoints (Remus, COLO)";
    }

    /// A record with this bit that a reader does not know may be left out.
    static final int OPTIONAL = 1 << 31;

    private static final LibxcRecord[] ALL = values();

    private final Facts facts;

    LibxcRecord(int code, Fate fate, String reason) {
        facts = new Facts(code, fate, reason);
    }

    @Override
    public Facts facts() {
        return facts;
    }

    /// The kind of a number.
    ///
    /// @throws WireException if it is unknown
    static LibxcRecord of(int code) throws WireException {
        return RecordKind.of(ALL, code, "unknown record %#x of libxc's image");
    }
}
