package io.xenemu.core.boot;

/// One CPUID leaf (`struct kvm_cpuid_entry2`).
///
/// @param function EAX of the question, unsigned
/// @param index ECX of the question; counts only with [#SIGNIFICANT_INDEX]
/// @param flags [#SIGNIFICANT_INDEX] or 0
/// @param eax answer
/// @param ebx answer
/// @param ecx answer
/// @param edx answer
public record CpuidLeaf(int function, int index, int flags, int eax, int ebx, int ecx, int edx) {
    /// `KVM_CPUID_FLAG_SIGNIFCANT_INDEX`: the leaf answers only for its own index.
    public static final int SIGNIFICANT_INDEX = 1;

    CpuidLeaf with(int newEax, int newEbx, int newEcx, int newEdx) {
        return new CpuidLeaf(function, index, flags, newEax, newEbx, newEcx, newEdx);
    }
}
