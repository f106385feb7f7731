package io.xenemu.core.cpuid;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Policies of this host: all that it can give a guest, and the default of that. Features that this VMM neither
/// emulates nor saves are left out, and those of the topology, which each vCPU gets from its guest.
public final class HostPolicy {
    private static final int ECX1_MONITOR = 1 << 3;
    private static final int ECX1_SMX = 1 << 6;
    private static final int ECX1_PDCM = 1 << 15;
    private static final int ECX1_X2APIC = 1 << 21;
    private static final int ECX1_TSC_DEADLINE = 1 << 24;
    private static final int ECX1_HYPERVISOR = 1 << 31;
    private static final int EAX4_STATIC = 0x0000_3fff;
    private static final int EBX7_SGX = 1 << 2;
    private static final int EBX7_PROCESSOR_TRACE = 1 << 25;
    private static final int ECX7_SGX_LC = 1 << 30;
    private static final int EDX7_ARCH_LBR = 1 << 19;
    private static final int EDX7_ARCH_CAPABILITIES = 1 << 29;
    private static final int ECX81_IBS = 1 << 10;
    private static final int ECX81_PERFCTR = 1 << 23 | 1 << 24 | 1 << 28;
    private static final int ECX81_MWAITX = 1 << 29;
    private static final int EAX8_1D_STATIC = ~0x03ff_c000;

    private static final PolicyLeaf FEATURES = PolicyLeaf.of(1);
    private static final PolicyLeaf EXTENDED_FEATURES = PolicyLeaf.of(0x8000_0001);
    private static final PolicyLeaf POWER = PolicyLeaf.of(0x8000_0007);
    private static final PolicyLeaf SVM_LEAF = PolicyLeaf.of(0x8000_000a);
    private static final int ECX1_VMX = 1 << 5;
    private static final int ECX81_SVM = 1 << 2;
    static final int EDX87_INVARIANT_TSC = 1 << 8;

    private HostPolicy() {}

    /// All that a guest can have.
    ///
    /// @param supported KVM's answer to `KVM_GET_SUPPORTED_CPUID`
    /// @param archCapabilities KVM's value of IA32_ARCH_CAPABILITIES; 0 if it has none
    public static CpuPolicy offerable(List<CpuidEntry> supported, long archCapabilities) {
        boolean amd = SharedLeaves.isAmd(supported);
        Map<PolicyLeaf, Registers> leaves = new TreeMap<>();
        for (CpuidEntry entry : supported) {
            PolicyLeaf leaf = PolicyLeaf.of(entry);
            if (!leaf.isHypervisors()
                    && !isHidden(entry.function())
                    && !CpuidTopology.owns(entry.function())) {
                Registers answer = restricted(entry, amd);
                if (SharedLeaves.belongs(entry, answer)) {
                    leaves.put(leaf, answer);
                }
            }
        }
        return SharedLeaves.policy(leaves, amd, archCapabilities);
    }

    /// The default of a guest: all of it, but for nested virtualisation, and the promise that the TSC's frequency never
    /// changes, which would hold on this host alone.
    ///
    /// @param nested whether the guest may have guests of its own
    public static CpuPolicy defaults(CpuPolicy offerable, boolean nested) {
        CpuPolicy policy = offerable.without(POWER, Register.EDX, EDX87_INVARIANT_TSC);
        return nested ? policy : withoutNesting(policy);
    }

    /// The default as a baseline for guests: what [Consistency] leaves of it.
    public static CpuPolicy baseline(CpuPolicy offerable) {
        return Consistency.of(defaults(offerable, false));
    }

    /// The policy without nested virtualisation.
    static CpuPolicy withoutNesting(CpuPolicy policy) {
        return policy.without(FEATURES, Register.ECX, ECX1_VMX)
                .without(EXTENDED_FEATURES, Register.ECX, ECX81_SVM)
                .only(leaf -> !leaf.equals(SVM_LEAF));
    }

    /// Whether a guest can have guests of its own.
    static boolean hasNesting(CpuPolicy policy) {
        return (policy.get(FEATURES).ecx() & ECX1_VMX) != 0
                || (policy.get(EXTENDED_FEATURES).ecx() & ECX81_SVM) != 0;
    }

    /// Whether a leaf reads as zero: MONITOR, the PMU, SGX, processor trace, PMU and topology extensions of AMD, and
    /// memory encryption.
    private static boolean isHidden(int function) {
        return switch (function) {
            case 0x5, 0xa, 0x12, 0x14, 0x1c, 0x23 -> true;
            case 0x8000_001b, 0x8000_001f, 0x8000_0022, 0x8000_0026 -> true;
            default -> false;
        };
    }

    private static Registers restricted(CpuidEntry leaf, boolean amd) {
        Registers answer = SharedLeaves.answer(leaf, amd);
        int ecx = answer.ecx();
        return switch (leaf.function()) {
            case 0x1 -> {
                ecx &= ~(ECX1_MONITOR | ECX1_SMX | ECX1_PDCM);
                // KVM's local APIC has both features, but KVM leaves it to the VMM to report them.
                ecx |= ECX1_HYPERVISOR | ECX1_X2APIC | ECX1_TSC_DEADLINE;
                yield answer.with(Register.ECX, ecx);
            }
            case 0x4 -> answer.and(EAX4_STATIC, -1, -1, -1);
            case 0x7 -> leaf.index() == 0 ? structured(answer, amd) : answer;
            case 0x8000_0001 -> answer.and(-1, -1, ~(ECX81_IBS | ECX81_PERFCTR | ECX81_MWAITX), -1);
            case 0x8000_001d -> answer.and(EAX8_1D_STATIC, -1, -1, -1);
            default -> answer;
        };
    }

    /// KVM reports IA32_ARCH_CAPABILITIES on AMD's processors too, which do not have it.
    private static Registers structured(Registers answer, boolean amd) {
        int edx = amd ? EDX7_ARCH_LBR | EDX7_ARCH_CAPABILITIES : EDX7_ARCH_LBR;
        return answer.and(-1, ~(EBX7_SGX | EBX7_PROCESSOR_TRACE), ~ECX7_SGX_LC, ~edx);
    }
}
