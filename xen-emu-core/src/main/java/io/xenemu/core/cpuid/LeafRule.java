package io.xenemu.core.cpuid;

/// The meaning of a register of a leaf, for hosts that differ.
enum LeafRule {
    /// Each bit is a feature: a guest of several hosts may have it only where all have it, but for [#accumulated].
    FEATURES,
    /// A number that a smaller one replaces: the highest leaf, a revision.
    LEAST,
    /// A number in each byte, as [#LEAST]: widths of addresses.
    LEAST_BYTES,
    /// A description of the processor: nothing fails if another host's processor is not like it.
    INFORMATION,
    /// Code depends on all of it: the leaf is only of use where it is the same, or of no use to code at all.
    LAYOUT;

    static final int XSTATE = 0xd;

    /// The rule of a register.
    static LeafRule of(PolicyLeaf leaf, Register register) {
        if (leaf.isMsr()) {
            return FEATURES;
        }
        boolean low = register == Register.EAX || register == Register.EBX;
        return switch (leaf.function()) {
            case 0x0, 0x8000_0000 -> register == Register.EAX ? LEAST : LAYOUT;
            case 0x1, 0x8000_0001 -> low ? INFORMATION : FEATURES;
            case 0x2, 0x3, 0x4, 0x15, 0x16, 0x19 -> INFORMATION;
            case 0x6, 0x8000_0007, 0xc000_0001 -> FEATURES;
            case 0x7 -> leaf.index() == 0 && register == Register.EAX ? LEAST : FEATURES;
            case XSTATE -> xstate(leaf.index(), register);
            case 0x8000_0002, 0x8000_0003, 0x8000_0004, 0x8000_0005, 0x8000_0006 -> INFORMATION;
            case 0x8000_0008 ->
                    switch (register) {
                        case EAX -> LEAST_BYTES;
                        case EBX -> FEATURES;
                        case ECX, EDX -> INFORMATION;
                    };
            case 0x8000_000a -> low ? LEAST : FEATURES;
            case 0x8000_0019, 0x8000_001a, 0x8000_001d, 0x8000_001e -> INFORMATION;
            case 0x8000_0021 -> register == Register.EBX ? LEAST : FEATURES;
            case 0xc000_0000 -> LEAST;
            default -> LAYOUT;
        };
    }

    /// Sub-leaves 0 and 1 have bits of state components, and sizes that [Consistency] computes anew; the others have
    /// the place of a component in the XSAVE area.
    private static LeafRule xstate(int index, Register register) {
        return switch (index) {
            case 0 -> register == Register.EAX || register == Register.EDX ? FEATURES : INFORMATION;
            case 1 -> register == Register.EBX ? INFORMATION : FEATURES;
            default -> LAYOUT;
        };
    }

    /// The bits that a guest has to see if any host where it may run has them. They say how code has to work around a
    /// fault, or what it can no longer do. Xen marks them in cpufeatureset.h.
    static int accumulated(PolicyLeaf leaf, Register register) {
        if (leaf.equals(PolicyLeaf.ARCH_CAPABILITIES)) {
            return register == Register.EAX ? 1 << 17 | 1 << 28 : 0; // fb-clear, rfds-clear
        }
        return switch (leaf.function()) {
            case 0x7 -> leaf.index() == 0 && register == Register.EDX ? 1 << 10 : 0; // md-clear
            case 0x8000_0008 -> register == Register.EBX ? 1 << 20 : 0; // no-lmsl
            case 0x8000_0021 ->
                    register == Register.EAX ? 1 << 1 | 1 << 5 : 0; // fs-gs-ns, verw-clear
            default -> 0;
        };
    }

    /// The bits that promise something of the hosts where a guest runs, and that a guest may be given on any: an
    /// invariant TSC. Nothing in the processor depends on the bit, and Xen leaves it to the toolstack as well.
    static int promised(PolicyLeaf leaf, Register register) {
        boolean power = leaf.function() == 0x8000_0007 && register == Register.EDX;
        return power ? HostPolicy.EDX87_INVARIANT_TSC : 0;
    }
}
