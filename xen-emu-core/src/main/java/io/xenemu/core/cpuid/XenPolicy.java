package io.xenemu.core.cpuid;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// The processor that Xen has shown to a guest, as a policy: without the leaves of hypervisors and of the topology, and
/// without the bits that each vCPU gets anew, or that follow its registers.
public final class XenPolicy {
    private XenPolicy() {}

    /// The policy of some leaves.
    ///
    /// @param archCapabilities IA32_ARCH_CAPABILITIES; 0 if the guest has none
    /// @throws IllegalArgumentException if no processor can have them
    public static CpuPolicy of(List<CpuidEntry> entries, long archCapabilities) {
        boolean amd = SharedLeaves.isAmd(entries);
        Map<PolicyLeaf, Registers> leaves = new TreeMap<>();
        for (CpuidEntry entry : entries) {
            PolicyLeaf leaf = PolicyLeaf.of(entry);
            if (leaf.isHypervisors() || CpuidTopology.owns(entry.function())) {
                continue;
            }
            Registers answer = SharedLeaves.answer(entry, amd);
            if (SharedLeaves.belongs(entry, answer) && leaves.put(leaf, answer) != null) {
                throw new IllegalArgumentException("leaf " + leaf + " occurs twice");
            }
        }
        return SharedLeaves.policy(leaves, amd, archCapabilities);
    }
}
