package io.xenemu.core.cpuid;

/// A named field of a CPUID leaf: for nearly all names one bit, the presence of a feature.
///
/// @param name as libxl has it
/// @param bit the lowest bit
/// @param length the number of bits
record CpuFeature(String name, PolicyLeaf leaf, Register register, int bit, int length) {
    /// Its bits in the register.
    int mask() {
        return (int) ((1L << length) - 1) << bit;
    }

    boolean isFlag() {
        return length == 1;
    }

    /// Whether it has several bits of its own, split over the register: `family` and `model` of leaf 1.
    boolean isSplit() {
        return name.equals("family") || name.equals("model");
    }

    /// Whether a policy has the feature.
    boolean in(CpuPolicy policy) {
        return (policy.get(leaf).get(register) & mask()) != 0;
    }
}
