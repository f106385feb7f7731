package io.xenemu.core.cpuid;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// The processor that Xen has shown to a guest, as a policy: without the leaves of hypervisors and of the topology, and
/// without the bits that each vCPU gets anew, or that follow its registers.
public final class XenPolicy {
    private static final int ECX1_OSXSAVE = 1 << 27;
    private static final int EBX1_STATIC = 0x0000_ffff;
    private static final int EDX1_HTT = 1 << 28;
    private static final int ECX7_OSPKE = 1 << 4;
    private static final int ECX81_CMP_LEGACY = 1 << 1;
    private static final int ECX88_CORES = 0xffff;
    private static final int LEAF_NODES = 0x8000_001e;

    private XenPolicy() {}

    /// The policy of some leaves.
    ///
    /// @param archCapabilities IA32_ARCH_CAPABILITIES; 0 if the guest has none
    /// @throws IllegalArgumentException if no processor can have them
    public static CpuPolicy of(List<CpuidEntry> entries, long archCapabilities) {
        boolean amd =
                entries.stream()
                        .anyMatch(leaf -> leaf.function() == 0 && CpuPolicy.isAmd(leaf.ebx()));
        Map<PolicyLeaf, Registers> leaves = new TreeMap<>();
        for (CpuidEntry entry : entries) {
            PolicyLeaf leaf = PolicyLeaf.of(entry);
            if (leaf.isHypervisors() || CpuidTopology.owns(entry.function())) {
                continue;
            }
            Registers answer = constant(entry, amd);
            if ((!answer.equals(Registers.ZERO) || entry.function() == LEAF_NODES)
                    && leaves.put(leaf, answer) != null) {
                throw new IllegalArgumentException("leaf " + leaf + " occurs twice");
            }
        }
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

    /// The part of an answer that is one for all vCPUs, and does not change.
    private static Registers constant(CpuidEntry leaf, boolean amd) {
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
}
