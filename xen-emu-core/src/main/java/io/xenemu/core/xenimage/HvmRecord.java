package io.xenemu.core.xenimage;

import io.xenemu.kvm.wire.WireException;

/// The records of an HVM context, Xen's state of a guest's processors and chips.
///
/// Source: xen/include/public/arch-x86/hvm/save.h.
enum HvmRecord implements RecordKind {
    /// The last one.
    END(0, Fate.TAKEN, ""),
    /// The first one: version, and frequency of the time stamp counter.
    HEADER(1, Fate.TAKEN, ""),
    /// The registers of a vCPU that is up.
    CPU(2, Fate.TAKEN, ""),
    PIC(3, Fate.REFUSED, Why.CHIP),
    IOAPIC(4, Fate.REFUSED, Why.CHIP),
    /// The state of a local APIC beside its registers.
    LAPIC(5, Fate.TAKEN, ""),
    /// The registers of a local APIC.
    LAPIC_REGS(6, Fate.TAKEN, ""),
    PCI_IRQ(7, Fate.IGNORED, Why.LINE),
    ISA_IRQ(8, Fate.IGNORED, Why.LINE),
    PCI_LINK(9, Fate.IGNORED, Why.LINE),
    PIT(10, Fate.REFUSED, Why.CHIP),
    RTC(11, Fate.REFUSED, Why.CHIP),
    HPET(12, Fate.REFUSED, Why.CHIP),
    PMTIMER(13, Fate.REFUSED, Why.CHIP),
    /// The MTRRs of a vCPU, and its PAT.
    MTRR(14, Fate.TAKEN, ""),
    VIRIDIAN_DOMAIN(15, Fate.REFUSED, Why.VIRIDIAN),
    /// The extended registers of a vCPU.
    CPU_XSAVE(16, Fate.TAKEN, ""),
    VIRIDIAN_VCPU(17, Fate.REFUSED, Why.VIRIDIAN),
    VMCE_VCPU(18, Fate.IGNORED, "the banks for machine checks are KVM's own"),
    /// IA32_TSC_ADJUST of a vCPU.
    TSC_ADJUST(19, Fate.TAKEN, ""),
    /// More MSRs of a vCPU.
    CPU_MSR(20, Fate.TAKEN, "");

    /// Reasons that several records have.
    private static final class Why {
        static final String CHIP = "only an HVM guest with a device model has this chip";
        static final String LINE = "a PVH guest has no chip for these interrupt lines";
        static final String VIRIDIAN = "Hyper-V's interfaces cannot be imported";
    }

    private static final HvmRecord[] ALL = values();

    private final Facts facts;

    HvmRecord(int code, Fate fate, String reason) {
        facts = new Facts(code, fate, reason);
    }

    @Override
    public Facts facts() {
        return facts;
    }

    /// The kind of a number.
    ///
    /// @throws WireException if it is unknown
    static HvmRecord of(int code) throws WireException {
        return RecordKind.of(ALL, code, "unknown record %d of the HVM context");
    }
}
