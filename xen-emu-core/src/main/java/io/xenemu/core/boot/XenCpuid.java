package io.xenemu.core.boot;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.ArrayList;
import java.util.List;

/// Turns KVM's supported CPUID leaves into those of a Xen guest's vCPU. They show the host's CPU with Xen's leaves
/// instead of KVM's, and one socket with one thread per core. Features that this VMM neither emulates nor saves are
/// left out.
public final class XenCpuid {
    /// First and last leaf of hypervisors; KVM's own leaves are among them.
    private static final int HYPERVISOR_FIRST = 0x4000_0000;

    private static final int HYPERVISOR_LAST = 0x4000_ffff;

    private static final int ECX1_MONITOR = 1 << 3;
    private static final int ECX1_VMX = 1 << 5;
    private static final int ECX1_SMX = 1 << 6;
    private static final int ECX1_PDCM = 1 << 15;
    private static final int ECX1_X2APIC = 1 << 21;
    private static final int ECX1_TSC_DEADLINE = 1 << 24;
    private static final int ECX1_HYPERVISOR = 1 << 31;
    private static final int EBX7_SGX = 1 << 2;
    private static final int EBX7_ZERO_FCS_FDS = 1 << 13;
    private static final int EBX7_PROCESSOR_TRACE = 1 << 25;
    private static final int ECX7_SGX_LC = 1 << 30;
    private static final int EDX7_ARCH_LBR = 1 << 19;
    private static final int ECX81_CMP_LEGACY = 1 << 1;
    private static final int ECX81_SVM = 1 << 2;
    private static final int ECX81_IBS = 1 << 10;
    private static final int ECX81_PERFCTR = 1 << 23 | 1 << 24 | 1 << 28;
    private static final int ECX81_MWAITX = 1 << 29;

    private final boolean amd;
    private final CpuidTopology topology;
    private final List<CpuidEntry> common;
    private final XenLeaves xen;

    /// @param supported KVM's answer to `KVM_GET_SUPPORTED_CPUID`
    /// @param vcpus the guest's number of vCPUs
    /// @param xen Xen's leaves
    public XenCpuid(List<CpuidEntry> supported, int vcpus, XenLeaves xen) {
        amd = supported.stream().anyMatch(XenCpuid::isAmd);
        topology = new CpuidTopology(vcpus, amd);
        this.xen = xen;
        var leaves = new ArrayList<CpuidEntry>();
        for (CpuidEntry leaf : supported) {
            int function = leaf.function();
            boolean hypervisor = function >= HYPERVISOR_FIRST && function <= HYPERVISOR_LAST;
            if (!hypervisor && !isHidden(function) && !CpuidTopology.owns(function)) {
                leaves.add(restricted(leaf, amd && vcpus > 1));
            }
        }
        common = List.copyOf(leaves);
        topology.learn(supported);
    }

    /// Whether the processor is AMD's or compatible with AMD's.
    public boolean isAmd() {
        return amd;
    }

    /// The leaves of one vCPU, for `KVM_SET_CPUID2`.
    public List<CpuidEntry> leavesOf(VcpuId vcpu, DomId domain) {
        var leaves = new ArrayList<CpuidEntry>(common.size() + 16);
        for (CpuidEntry leaf : common) {
            leaves.add(topology.patch(leaf, vcpu.value()));
        }
        topology.addLevels(leaves, vcpu.value());
        xen.addTo(leaves, vcpu, domain);
        return List.copyOf(leaves);
    }

    /// The width of the x87 instruction pointers that Xen saves by default (HVM_PARAM_X87_FIP_WIDTH): 8 bytes on a
    /// processor that no longer saves the selectors with them; else 0, which makes Xen decide at each save.
    ///
    /// @param supported KVM's answer to `KVM_GET_SUPPORTED_CPUID`
    public static int x87FipWidth(List<CpuidEntry> supported) {
        boolean withoutSelectors =
                supported.stream()
                        .anyMatch(leaf ->
                                leaf.function() == 7
                                        && leaf.index() == 0
                                        && (leaf.ebx() & EBX7_ZERO_FCS_FDS) != 0);
        return withoutSelectors ? 8 : 0;
    }

    /// Whether a leaf reads as zero: MONITOR, the PMU, SGX, processor trace, PMU and topology extensions of AMD,
    /// nested virtualisation and memory encryption.
    private static boolean isHidden(int function) {
        return switch (function) {
            case 0x5, 0xa, 0x12, 0x14, 0x1c, 0x23 -> true;
            case 0x8000_000a, 0x8000_001b, 0x8000_001f, 0x8000_0022, 0x8000_0026 -> true;
            default -> false;
        };
    }

    private static CpuidEntry restricted(CpuidEntry leaf, boolean amdCores) {
        int eax = leaf.eax();
        int ebx = leaf.ebx();
        int ecx = leaf.ecx();
        int edx = leaf.edx();
        switch (leaf.function()) {
            case 0x1 -> {
                ecx &= ~(ECX1_MONITOR | ECX1_VMX | ECX1_SMX | ECX1_PDCM);
                // KVM's local APIC has both features, but KVM leaves it to the VMM to report them.
                ecx |= ECX1_HYPERVISOR | ECX1_X2APIC | ECX1_TSC_DEADLINE;
            }
            case 0x7 -> {
                if (leaf.index() == 0) {
                    ebx &= ~(EBX7_SGX | EBX7_PROCESSOR_TRACE);
                    ecx &= ~ECX7_SGX_LC;
                    edx &= ~EDX7_ARCH_LBR;
                }
            }
            case 0x8000_0001 -> {
                ecx &= ~(ECX81_SVM | ECX81_IBS | ECX81_PERFCTR | ECX81_MWAITX);
                ecx = amdCores ? ecx | ECX81_CMP_LEGACY : ecx & ~ECX81_CMP_LEGACY;
            }
            default -> {}
        }
        return CpuidTopology.answer(leaf, eax, ebx, ecx, edx);
    }

    /// Whether leaf 0 says `AuthenticAMD` or `HygonGenuine`.
    private static boolean isAmd(CpuidEntry leaf) {
        return leaf.function() == 0 && (leaf.ebx() == 0x6874_7541 || leaf.ebx() == 0x6f67_7948);
    }
}
