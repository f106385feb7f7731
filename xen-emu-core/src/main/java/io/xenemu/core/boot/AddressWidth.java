package io.xenemu.core.boot;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;

/// The width of a guest's physical addresses, which is that of the processor that it sees.
public final class AddressWidth {
    private static final int LEAF_ADDRESS_SIZES = 0x8000_0008;
    private static final int PHYSICAL_BITS = 0xff;

    /// The width of a processor that has no leaf for it.
    private static final int DEFAULT_BITS = 36;

    private AddressWidth() {}

    /// The width in bits.
    ///
    /// @param leaves the processor's
    public static int of(List<CpuidEntry> leaves) {
        return leaves.stream()
                .filter(leaf -> leaf.function() == LEAF_ADDRESS_SIZES)
                .mapToInt(leaf -> leaf.eax() & PHYSICAL_BITS)
                .filter(bits -> bits != 0)
                .findFirst()
                .orElse(DEFAULT_BITS);
    }
}
