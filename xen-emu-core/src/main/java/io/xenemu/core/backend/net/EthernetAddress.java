package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;

/// Ethernet addresses as numbers of 48 bits; the first byte on the wire is the highest.
final class EthernetAddress {
    static final int BYTES = 6;
    static final long BROADCAST = 0xffff_ffff_ffffL;
    private static final long GROUP_BIT = 1L << 40;

    private EthernetAddress() {}

    static long read(MemorySegment memory, long offset) {
        long address = 0;
        for (int i = 0; i < BYTES; i++) {
            address = address << Byte.SIZE | Byte.toUnsignedLong(memory.get(JAVA_BYTE, offset + i));
        }
        return address;
    }

    /// Whether the address is of a group of stations, but not of all.
    static boolean isMulticast(long address) {
        return (address & GROUP_BIT) != 0 && address != BROADCAST;
    }
}
