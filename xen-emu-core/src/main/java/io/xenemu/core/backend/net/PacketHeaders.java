package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/// A private copy of the first bytes of a frame, and what they say of TCP or UDP over IPv4 or IPv6, with up to two VLAN
/// tags, IPv4 options and IPv6 extension headers. Reused from frame to frame; nothing here allocates.
final class PacketHeaders {
    /// More than Ethernet, two tags, IPv6 with usual extensions and TCP with all options need: 14 + 8 + 40 + 60 and
    /// room for extensions.
    static final int BYTES = 256;

    private static final int TAG_BYTES = 4;
    private static final int MAX_TAGS = 2;
    private static final int MAX_EXTENSIONS = 8;

    private static final int TYPE_IPV4 = 0x0800;
    private static final int TYPE_IPV6 = 0x86dd;
    private static final int TYPE_VLAN = 0x8100;
    private static final int TYPE_SERVICE_VLAN = 0x88a8;

    private static final int IPV4_BYTES = 20;
    private static final int IPV4_LENGTH = 2;
    private static final int IPV4_FRAGMENT = 6;
    private static final int IPV4_PROTOCOL = 9;
    private static final int IPV4_CHECKSUM = 10;
    private static final int IPV4_SOURCE = 12;
    private static final int IPV6_BYTES = 40;
    private static final int IPV6_LENGTH = 4;
    private static final int IPV6_NEXT = 6;
    private static final int IPV6_SOURCE = 8;

    /// More fragments, or an offset.
    private static final int IS_FRAGMENT = 0x3fff;

    private static final int PROTOCOL_TCP = 6;
    private static final int PROTOCOL_UDP = 17;
    private static final int HOP_BY_HOP = 0;
    private static final int ROUTING = 43;
    private static final int AUTHENTICATION = 51;
    private static final int DESTINATION = 60;

    private static final int TCP_BYTES = 20;
    private static final int TCP_LENGTH = 12;
    private static final int TCP_FLAGS = 13;
    private static final int TCP_CWR = 0x80;
    private static final int TCP_CHECKSUM = 16;
    private static final int UDP_CHECKSUM = 6;
    private static final int CHECKSUM_BYTES = 2;

    private final MemorySegment memory;
    private int length;
    private int frame;
    private int network;
    private int transport;
    private int version;
    private int protocol;

    PacketHeaders(SegmentAllocator allocator) {
        memory = allocator.allocate(BYTES, Long.BYTES);
    }

    /// The copy.
    MemorySegment memory() {
        return memory;
    }

    /// The bytes of the copy that belong to the frame.
    int length() {
        return length;
    }

    /// Begins with a frame.
    ///
    /// @param total its bytes
    void begin(int total) {
        frame = total;
        length = 0;
    }

    /// Copies the frame's next bytes, as many as are still needed.
    ///
    /// @return the number copied
    int append(MemorySegment from, long offset, int available) {
        int count = Math.min(available, Math.min(frame, BYTES) - length);
        MemorySegment.copy(from, offset, memory, length, count);
        length += count;
        return count;
    }

    private int u8(int at) {
        return Byte.toUnsignedInt(memory.get(JAVA_BYTE, at));
    }

    private int u16(int at) {
        return u8(at) << Byte.SIZE | u8(at + 1);
    }

    /// Looks for the transport header.
    ///
    /// @return whether the frame is TCP or UDP over IP, not a fragment, and contains its checksum
    boolean parse() {
        network = TxPacket.ETHERNET_BYTES;
        if (length < network) {
            return false;
        }
        int type = u16(network - 2);
        for (int tags = 0; type == TYPE_VLAN || type == TYPE_SERVICE_VLAN; tags++) {
            if (tags == MAX_TAGS || length < network + TAG_BYTES) {
                return false;
            }
            type = u16(network + 2);
            network += TAG_BYTES;
        }
        boolean found =
                switch (type) {
                    case TYPE_IPV4 -> parse4();
                    case TYPE_IPV6 -> parse6();
                    default -> false;
                };
        return found
                && (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP)
                && transport + checksumOffset() + CHECKSUM_BYTES <= frame;
    }

    private boolean parse4() {
        if (length < network + IPV4_BYTES || u8(network) >> 4 != 4) {
            return false;
        }
        int headerBytes = (u8(network) & 0xf) * Integer.BYTES;
        version = 4;
        protocol = u8(network + IPV4_PROTOCOL);
        transport = network + headerBytes;
        return headerBytes >= IPV4_BYTES
                && transport <= length
                && (u16(network + IPV4_FRAGMENT) & IS_FRAGMENT) == 0;
    }

    private boolean parse6() {
        if (length < network + IPV6_BYTES || u8(network) >> 4 != 6) {
            return false;
        }
        version = 6;
        protocol = u8(network + IPV6_NEXT);
        transport = network + IPV6_BYTES;
        for (int i = 0; i < MAX_EXTENSIONS && isExtension(protocol); i++) {
            if (length < transport + 2) {
                return false;
            }
            int size = u8(transport + 1);
            int bytes =
                    protocol == AUTHENTICATION
                            ? (size + 2) * Integer.BYTES
                            : (size + 1) * Long.BYTES;
            protocol = u8(transport);
            transport += bytes;
        }
        // A fragment's header is none of the extensions, so fragments end here too.
        return transport <= length;
    }

    private static boolean isExtension(int next) {
        return next == HOP_BY_HOP
                || next == ROUTING
                || next == DESTINATION
                || next == AUTHENTICATION;
    }

    /// 4 or 6.
    int version() {
        return version;
    }

    boolean isTcp() {
        return protocol == PROTOCOL_TCP;
    }

    /// Where the transport header begins.
    int transport() {
        return transport;
    }

    /// Where the checksum stands in the transport header.
    int checksumOffset() {
        return isTcp() ? TCP_CHECKSUM : UDP_CHECKSUM;
    }

    /// Where a TCP header with its options ends; 0 if that is beyond the copy, or the header is too short.
    int tcpEnd() {
        if (length < transport + TCP_BYTES) {
            return 0;
        }
        int bytes = (u8(transport + TCP_LENGTH) >> 4) * Integer.BYTES;
        return bytes < TCP_BYTES || transport + bytes > length ? 0 : transport + bytes;
    }

    /// Whether a TCP header says that the sender has slowed down (RFC 3168), which only its first segment may.
    boolean hasCwr() {
        return (u8(transport + TCP_FLAGS) & TCP_CWR) != 0;
    }

    /// Makes one large packet of a TCP frame that others were to split: gives the copy the lengths, and the checksums
    /// of the IP header and of the pseudo header, of the whole frame. A guest need not have filled them in.
    void makeWhole() {
        if (version == 4) {
            put16(network + IPV4_LENGTH, frame - network);
            put16(network + IPV4_CHECKSUM, 0);
            short sum = InternetChecksum.of(memory, network, transport - network);
            memory.set(JAVA_SHORT_UNALIGNED, network + IPV4_CHECKSUM, sum);
        } else {
            put16(network + IPV6_LENGTH, frame - network - IPV6_BYTES);
        }
        startChecksum();
    }

    private void put16(int at, int value) {
        memory.set(JAVA_BYTE, at, (byte) (value >> Byte.SIZE));
        memory.set(JAVA_BYTE, at + 1, (byte) value);
    }

    /// Puts the checksum of the pseudo header into a TCP header of the copy: what a sender that leaves the checksum to
    /// others has to write there.
    void startChecksum() {
        int addresses = version == 4 ? IPV4_SOURCE : IPV6_SOURCE;
        int end = version == 4 ? IPV4_BYTES : IPV6_BYTES;
        long sum = protocol + (long) (frame - transport);
        for (int at = addresses; at < end; at += 2) {
            sum += u16(network + at);
        }
        put16(transport + TCP_CHECKSUM, InternetChecksum.fold(sum));
    }
}
