package io.xenemu.core.cpuid;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.ArrayList;
import java.util.List;

/// Turns a policy into the CPUID leaves of a Xen guest's vCPUs: they show that processor with Xen's leaves, and one
/// socket with one thread per core.
public final class XenCpuid {
    private static final int EBX7_ZERO_FCS_FDS = 1 << 13;

    private final CpuidTopology topology;
    private final List<CpuidEntry> common;
    private final List<CpuidEntry> hyperV;
    private final XenLeaves xen;

    /// @param policy what the guest is offered
    /// @param vcpus the guest's number of vCPUs
    /// @param viridian the guest's enlightenments
    /// @param xen Xen's leaves
    public XenCpuid(CpuPolicy policy, int vcpus, Viridian viridian, XenLeaves xen) {
        this(policy, vcpus, 1, viridian, xen);
    }

    /// @param policy what the guest is offered
    /// @param vcpus the guest's number of vCPUs
    /// @param apicIdStep the APIC id of each vCPU is its number times this
    /// @param viridian the guest's enlightenments
    /// @param xen Xen's leaves
    public XenCpuid(CpuPolicy policy, int vcpus, int apicIdStep, Viridian viridian, XenLeaves xen) {
        int maxLeaf = policy.get(PolicyLeaf.of(0)).eax();
        topology = new CpuidTopology(vcpus, apicIdStep, policy.isAmd(), maxLeaf);
        this.xen = xen;
        hyperV = viridian.leaves();
        common = List.copyOf(policy.entries());
    }

    /// The leaves of one vCPU, for `KVM_SET_CPUID2`.
    public List<CpuidEntry> leavesOf(VcpuId vcpu, DomId domain) {
        var leaves = new ArrayList<CpuidEntry>(common.size() + 32);
        for (CpuidEntry leaf : common) {
            leaves.add(topology.patch(leaf, vcpu.value()));
        }
        topology.addLevels(leaves, vcpu.value());
        leaves.addAll(hyperV);
        xen.addTo(leaves, vcpu, domain);
        return List.copyOf(leaves);
    }

    /// The width of the x87 instruction pointers that Xen saves by default (HVM_PARAM_X87_FIP_WIDTH). It is 8 bytes on
    /// a processor that no longer saves the selectors with them. Else it is 0, which makes Xen decide at each save.
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
}
