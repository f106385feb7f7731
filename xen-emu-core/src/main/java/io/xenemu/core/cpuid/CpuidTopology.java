package io.xenemu.core.cpuid;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;

/// The CPUID leaves of the topology: one socket, one thread per core, and APIC ids that are the vCPU ids, or a multiple
/// of them. Each core has caches of levels 1 and 2, and all share one of level 3.
final class CpuidTopology {
    private static final int EDX1_HTT = 1 << 28;
    private static final int ECX81_CMP_LEGACY = 1 << 1;
    private static final int LEAF_EXTENDED = 0xb;
    private static final int LEAF_EXTENDED_V2 = 0x1f;
    private static final int LEVEL_SMT = 1;
    private static final int LEVEL_CORE = 2;
    private static final int MAX_CORES_FIELD = 63;
    private static final int LAST_LEVEL_CACHE = 3;

    private final int vcpus;
    private final int step;
    private final int idBits;
    private final boolean amd;
    private final int maxBasicLeaf;

    /// @param step the APIC id of each vCPU is its number times this
    CpuidTopology(int vcpus, int step, boolean amd, int maxBasicLeaf) {
        this.vcpus = vcpus;
        this.step = step;
        this.amd = amd;
        this.maxBasicLeaf = maxBasicLeaf;
        idBits = Integer.SIZE - Integer.numberOfLeadingZeros((vcpus - 1) * step);
    }

    /// Whether [#addLevels] makes this leaf.
    static boolean owns(int function) {
        return function == LEAF_EXTENDED || function == LEAF_EXTENDED_V2;
    }

    /// The leaf as a vCPU sees it.
    CpuidEntry patch(CpuidEntry leaf, int vcpu) {
        int id = vcpu * step;
        int eax = leaf.eax();
        int ebx = leaf.ebx();
        int ecx = leaf.ecx();
        int edx = leaf.edx();
        switch (leaf.function()) {
            case 0x1 -> {
                ebx = (ebx & 0x0000_ffff) | id << 24 | Math.min(vcpus * step, 255) << 16;
                edx = vcpus > 1 ? edx | EDX1_HTT : edx & ~EDX1_HTT;
            }
            case 0x4 -> eax = (cache(eax) & 0x03ff_ffff) | coresField() << 26;
            case 0x8000_0001 ->
                    ecx = amd && vcpus > 1 ? ecx | ECX81_CMP_LEGACY : ecx & ~ECX81_CMP_LEGACY;
            case 0x8000_001d -> eax = cache(eax);
            case 0x8000_0008 -> ecx = amd ? (ecx & ~0xf0ff) | idBits << 12 | (vcpus - 1) : ecx;
            case 0x8000_001e -> {
                eax = id;
                ebx = (ebx & ~0xffff) | id;
                ecx = 0;
            }
            default -> {}
        }
        return answer(leaf, eax, ebx, ecx, edx);
    }

    /// Bits 25 to 14: the number of ids that share the cache, less 1. An entry of type 0 ends the list.
    private int cache(int eax) {
        if ((eax & 0x1f) == 0) {
            return eax;
        }
        int sharing = (eax >> 5 & 7) >= LAST_LEVEL_CACHE ? (1 << idBits) - 1 : 0;
        return (eax & ~0x03ff_c000) | sharing << 14;
    }

    private int coresField() {
        return Math.min((1 << idBits) - 1, MAX_CORES_FIELD);
    }

    /// Adds leaves 0xb and 0x1f as far as leaf 0 announces them.
    void addLevels(List<CpuidEntry> leaves, int vcpu) {
        int id = vcpu * step;
        for (int leaf : new int[] {LEAF_EXTENDED, LEAF_EXTENDED_V2}) {
            if (maxBasicLeaf >= leaf) {
                leaves.add(level(leaf, 0, 0, 1, LEVEL_SMT, id));
                leaves.add(level(leaf, 1, idBits, vcpus, LEVEL_CORE, id));
                leaves.add(level(leaf, 2, 0, 0, 0, id));
            }
        }
    }

    private static CpuidEntry level(int leaf, int index, int shift, int count, int type, int id) {
        return new CpuidEntry(
                leaf, index, CpuidEntry.SIGNIFICANT_INDEX, shift, count, type << 8 | index, id);
    }

    /// A CPUID entry for the leaf and index of another one, with its own answer.
    static CpuidEntry answer(CpuidEntry leaf, int eax, int ebx, int ecx, int edx) {
        return new CpuidEntry(leaf.function(), leaf.index(), leaf.flags(), eax, ebx, ecx, edx);
    }
}
