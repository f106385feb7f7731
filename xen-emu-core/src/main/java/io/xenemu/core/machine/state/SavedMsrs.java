package io.xenemu.core.machine.state;

import java.util.Arrays;
import java.util.stream.IntStream;

/// The choice of the model-specific registers that belong to a saved vCPU.
///
/// KVM's own list (KVM_GET_MSR_INDEX_LIST) has neither the MTRRs nor the machine-check banks. It has registers that
/// must not be restored.
public final class SavedMsrs {
    /// IA32_TIME_STAMP_COUNTER. KVM would guess whether a value that is written is meant to be another vCPU's, so the
    /// counter travels as its offset.
    static final int TSC = 0x10;

    /// IA32_TSC_DEADLINE: restored when the local APIC is, which has its mode.
    static final int TSC_DEADLINE = 0x6e0;

    /// Hyper-V's registers, and the hypercall page of Xen. Xen guests are not offered those of Hyper-V. A value
    /// restored to 0x40000000 makes KVM write a hypercall page into guest memory.
    private static final int HYPERVISOR = 0x4000_0000;

    private static final int HYPERVISOR_END = 0x4000_0300;

    /// KVM's own registers, which no guest is offered: `MSR_KVM_WALL_CLOCK_NEW` and later, and the two first ones.
    private static final int KVM = 0x4b56_4d00;

    private static final int KVM_END = 0x4b56_4e00;
    private static final int KVM_WALL_CLOCK = 0x11;
    private static final int KVM_SYSTEM_TIME = 0x12;

    private static final int MTRR_DEF_TYPE = 0x2ff;
    private static final int MTRR_PHYS_BASE = 0x200;
    private static final int MTRR_PHYS = 16;
    private static final int[] MTRR_FIXED = {
        0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f
    };

    private static final int MC0_CTL = 0x400;

    /// A vCPU has 32 banks with four registers each (`KVM_MAX_MCE_BANKS`).
    private static final int MC_REGISTERS = 128;

    private SavedMsrs() {}

    /// The registers of a vCPU, in the order in which they are restored.
    ///
    /// @param listed KVM's own list
    public static int[] of(int[] listed) {
        IntStream own = Arrays.stream(listed).filter(index -> !isExcluded(index));
        IntStream mtrrs =
                IntStream.concat(
                        IntStream.range(MTRR_PHYS_BASE, MTRR_PHYS_BASE + MTRR_PHYS),
                        Arrays.stream(MTRR_FIXED));
        // The type enables the others.
        IntStream added =
                IntStream.concat(
                        IntStream.concat(mtrrs, IntStream.of(MTRR_DEF_TYPE)),
                        IntStream.range(MC0_CTL, MC0_CTL + MC_REGISTERS));
        return IntStream.concat(own, added).distinct().toArray();
    }

    /// Whether a register is never restored.
    static boolean isExcluded(int index) {
        return index == TSC
                || index == KVM_WALL_CLOCK
                || index == KVM_SYSTEM_TIME
                || isWithin(index, HYPERVISOR, HYPERVISOR_END)
                || isWithin(index, KVM, KVM_END);
    }

    private static boolean isWithin(int index, int from, int end) {
        return Integer.compareUnsigned(index, from) >= 0 && Integer.compareUnsigned(index, end) < 0;
    }
}
