package io.xenemu.core.machine;

import io.xenemu.core.cpuid.TscInfo;
import io.xenemu.core.cpuid.XenLeaves;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.CpuidEntry;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.MsrEntry;
import java.util.ArrayList;
import java.util.List;

/// The CPUID leaves of a VM that an attached VMM has made: the VMM's, with Xen's in place of what it has for
/// hypervisors.
///
/// @param isAmd whether the processor's hypercall instruction is VMMCALL
/// @param xen Xen's leaves
record AttachedLeaves(boolean isAmd, XenLeaves xen) {
    private static final int MSR_TSC = 0x10;
    private static final int HYPERVISOR_LEAVES = 4;
    private static final int HYPERVISOR_SHIFT = 28;
    private static final int HYPERVISOR_PRESENT = 1 << 31;
    private static final int EXTENDED_FEATURES = 0x8000_0001;
    private static final int RDTSCP = 1 << 27;

    /// EBX of leaf 0 on AMD's and Hygon's processors.
    private static final List<Integer> AMD = List.of(0x6874_7541, 0x6f67_7948);

    /// @param boot a vCPU that has not run
    /// @param clock the VM's, in nanoseconds
    static AttachedLeaves of(KvmVcpu boot, long clock, DomainConfig config) {
        List<CpuidEntry> leaves = boot.getCpuid();
        TscInfo tsc =
                TscInfo.at(
                        config.cpu().tscMode(),
                        boot.getTscKhz(),
                        clock,
                        boot.getMsrs(MSR_TSC).stream().mapToLong(MsrEntry::data).sum(),
                        HostTsc.isReliable(),
                        has(leaves, EXTENDED_FEATURES, RDTSCP));
        int version = config.xenVersion();
        return new AttachedLeaves(
                leaves.stream().anyMatch(it -> it.function() == 0 && AMD.contains(it.ebx())),
                new XenLeaves(config.cpu(), version >>> 16, version & 0xffff, tsc, 1));
    }

    private static boolean has(List<CpuidEntry> leaves, int function, int edx) {
        return leaves.stream().anyMatch(it -> it.function() == function && (it.edx() & edx) != 0);
    }

    /// Gives a vCPU its leaves.
    void give(KvmVcpu vcpu, VcpuId id, DomId domain) {
        List<CpuidEntry> leaves = new ArrayList<>();
        for (CpuidEntry leaf : vcpu.getCpuid()) {
            if (leaf.function() >>> HYPERVISOR_SHIFT != HYPERVISOR_LEAVES) {
                leaves.add(leaf.function() == 1 ? withHypervisor(leaf) : leaf);
            }
        }
        xen.addTo(leaves, id, domain);
        vcpu.setCpuid(leaves);
    }

    private static CpuidEntry withHypervisor(CpuidEntry leaf) {
        return new CpuidEntry(
                leaf.function(),
                leaf.index(),
                leaf.flags(),
                leaf.eax(),
                leaf.ebx(),
                leaf.ecx() | HYPERVISOR_PRESENT,
                leaf.edx());
    }
}
