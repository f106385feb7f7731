package io.xenemu.kvm.net;

import java.util.Set;

/// Work that the kernel may leave undone in frames that it gives to a tap's reader (`TUN_F_*` of linux/if_tun.h). In
/// the other direction the kernel takes all of it always.
public enum TapOffload {
    /// The checksum of TCP and UDP; all others need this one.
    CHECKSUM(0x01),
    /// Segments of TCP over IPv4, up to 64 KiB in one frame.
    TCP4(0x02),
    /// Segments of TCP over IPv6.
    TCP6(0x04),
    /// Segments of TCP with ECN's bits.
    TCP_ECN(0x08);

    private final int bit;

    TapOffload(int bit) {
        this.bit = bit;
    }

    static int bits(Set<TapOffload> offloads) {
        int bits = 0;
        for (TapOffload offload : offloads) {
            bits |= offload.bit;
        }
        return bits;
    }
}
