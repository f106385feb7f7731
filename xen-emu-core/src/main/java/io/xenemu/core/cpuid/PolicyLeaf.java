package io.xenemu.core.cpuid;

import io.xenemu.kvm.ioctl.CpuidEntry;

/// A CPUID leaf, a sub-leaf, or an MSR with features.
///
/// @param function EAX of the query; for an MSR its number
/// @param index ECX of the query; [#NO_INDEX] for a leaf without sub-leaves, [#MSR] for an MSR
record PolicyLeaf(int function, int index) implements Comparable<PolicyLeaf> {
    static final int NO_INDEX = -1;
    static final int MSR = -2;

    /// IA32_ARCH_CAPABILITIES, the one MSR with features that a policy has: faults that the processor does not have,
    /// and how to work around others.
    static final PolicyLeaf ARCH_CAPABILITIES = new PolicyLeaf(0x10a, MSR);

    static PolicyLeaf of(int function) {
        return new PolicyLeaf(function, NO_INDEX);
    }

    static PolicyLeaf of(int function, int index) {
        return new PolicyLeaf(function, index);
    }

    static PolicyLeaf of(CpuidEntry entry) {
        boolean indexed = (entry.flags() & CpuidEntry.SIGNIFICANT_INDEX) != 0;
        return new PolicyLeaf(entry.function(), indexed ? entry.index() : NO_INDEX);
    }

    boolean isMsr() {
        return index == MSR;
    }

    /// Whether it is a leaf for hypervisors, which is none of the processor's.
    boolean isHypervisors() {
        return !isMsr() && function >>> 16 == 0x4000;
    }

    /// The entry for KVM_SET_CPUID2.
    CpuidEntry entry(Registers answer) {
        if (isMsr()) {
            throw new IllegalStateException(this + " is not a leaf");
        }
        boolean indexed = index != NO_INDEX;
        return new CpuidEntry(
                function,
                indexed ? index : 0,
                indexed ? CpuidEntry.SIGNIFICANT_INDEX : 0,
                answer.eax(),
                answer.ebx(),
                answer.ecx(),
                answer.edx());
    }

    /// Leaves by number, then MSRs.
    @Override
    public int compareTo(PolicyLeaf other) {
        if (isMsr() != other.isMsr()) {
            return isMsr() ? 1 : -1;
        }
        int order = Integer.compareUnsigned(function, other.function);
        return order != 0 ? order : Integer.compare(index, other.index);
    }

    /// As policies name it: `0x7.0`, `msr 0x10a`.
    @Override
    public String toString() {
        if (isMsr()) {
            return "msr 0x" + Integer.toHexString(function);
        }
        String number = "0x" + Integer.toHexString(function);
        return index == NO_INDEX ? number : number + "." + index;
    }
}
