package io.xenemu.core.xenimage;

import io.xenemu.kvm.ioctl.CpuidEntry;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// The processor that a guest sees: X86_CPUID_POLICY and X86_MSR_POLICY, which are arrays.
final class PolicyRecords {
    /// A leaf without sub-leaves (`XEN_CPUID_NO_SUBLEAF`).
    private static final int NO_SUBLEAF = -1;

    /// More than any processor has.
    private static final int MAX_LEAVES = 512;

    private static final int MAX_MSRS = 64;
    private static final int ARCH_CAPABILITIES = 0x10a;

    private PolicyRecords() {}

    /// The leaves (`xen_cpuid_leaf_t`).
    static List<CpuidEntry> leaves(BodyReader in) throws WireException {
        List<CpuidEntry> leaves = new ArrayList<>();
        while (in.remaining() > 0) {
            if (leaves.size() == MAX_LEAVES) {
                throw new WireException("more than " + MAX_LEAVES + " CPUID leaves");
            }
            int function = in.u32();
            int index = in.u32();
            boolean indexed = index != NO_SUBLEAF;
            leaves.add(
                    new CpuidEntry(
                            function,
                            indexed ? index : 0,
                            indexed ? CpuidEntry.SIGNIFICANT_INDEX : 0,
                            in.u32(),
                            in.u32(),
                            in.u32(),
                            in.u32()));
        }
        return leaves;
    }

    /// IA32_ARCH_CAPABILITIES of the array (`xen_msr_entry_t`); 0 if it is not in it. KVM has the other registers for
    /// itself.
    static long archCapabilities(BodyReader in) throws WireException {
        long found = 0;
        int count = 0;
        while (in.remaining() > 0) {
            count++;
            if (count > MAX_MSRS) {
                throw new WireException("more than " + MAX_MSRS + " MSRs of features");
            }
            int index = in.u32();
            int _ = in.u32();
            long value = in.u64();
            if (index == ARCH_CAPABILITIES) {
                found = value;
            }
        }
        return found;
    }
}
