package io.xenemu.core.cpuid;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;
import java.util.Map;

/// Leaves of CPUID as they are for all vCPUs of a guest: the part that [HostPolicy] and [XenPolicy] have in common.
final class SharedLeaves {
    private static final int ECX1_OSXSAVE = 1 << 27;
    private static final int EBX1_STATIC = 0x0000_ffff;
    private static final int EDX1_HTT = 1 << 28;
    private static final int ECX7_OSPKE = 1 << 4;
    private static final int ECX81_CMP_LEGACY = 1 << 1;
    private static final int ECX88_CORES = 0xffff;
    private static final int LEAF_NODES = 0x8000_001e;

    private SharedLeaves() {}

    /// Whether the leaves are those of a processor of AMD.
    static boolean isAmd(List<CpuidEntry> leaves) {
        return leaves.stream()
                .anyMatch(leaf -> leaf.function() == 0 && CpuPolicy.isAmd(leaf.ebx()));
    }

    /// An answer without the bits that each vCPU gets anew, or that follow its registers.
    static Registers answer(CpuidEntry leaf, boolean amd) {
        Registers answer = new Registers(leaf.eax(), leaf.ebx(), leaf.ecx(), leaf.edx());
        return switch (leaf.function()) {
            case 0x1 -> answer.and(-1, EBX1_STATIC, ~ECX1_OSXSAVE, ~EDX1_HTT);
            case 0x7 -> leaf.index() == 0 ? answer.and(-1, -1, ~ECX7_OSPKE, -1) : answer;
            case 0x8000_0001 -> answer.and(-1, -1, ~ECX81_CMP_LEGACY, -1);
            case 0x8000_0008 -> amd ? answer.and(-1, -1, ~ECX88_CORES, -1) : answer;
            case LEAF_NODES -> Registers.ZERO;
            default -> answer;
        };
    }

    /// Whether a leaf belongs to a policy. One that is not there reads as zero. Each vCPU gets its own ids in that of
    /// AMD's nodes.
    static boolean belongs(CpuidEntry leaf, Registers answer) {
        return !answer.equals(Registers.ZERO) || leaf.function() == LEAF_NODES;
    }

    /// The policy of some leaves.
    ///
    /// @param leaves gets that of IA32_ARCH_CAPABILITIES, which processors of AMD do not have
    /// @param archCapabilities its value; 0 if the processor has none
    static CpuPolicy policy(Map<PolicyLeaf, Registers> leaves, boolean amd, long archCapabilities) {
        if (!amd && archCapabilities != 0) {
            leaves.put(
                    PolicyLeaf.ARCH_CAPABILITIES,
                    new Registers(
                            (int) archCapabilities,
                            0,
                            0,
                            (int) (archCapabilities >>> Integer.SIZE)));
        }
        return new CpuPolicy(leaves);
    }
}
