package io.xenemu.core.backend.net;

import org.jspecify.annotations.Nullable;

/// Turns the work that a guest leaves to its back end into a tap's header. What the header says was read from the
/// private copy of the frame's first bytes, and these are what is sent.
final class TxOffload {
    private TxOffload() {}

    /// Fills the header for a frame.
    ///
    /// @param headers the frame's first bytes, not parsed yet
    /// @return the reason why it cannot be done, or null
    static @Nullable DropReason describe(
            TxPacket packet, PacketHeaders headers, VnetHeader header) {
        header.clear();
        if (packet.gsoSize() != 0) {
            return segments(packet, headers, header);
        }
        if (packet.isChecksumBlank()) {
            if (!headers.parse()) {
                return DropReason.CHECKSUM;
            }
            header.checksum(headers.transport(), headers.checksumOffset());
        }
        return null;
    }

    private static @Nullable DropReason segments(
            TxPacket packet, PacketHeaders headers, VnetHeader header) {
        int version = packet.gsoType() == Netif.GSO_TCPV4 ? 4 : 6;
        if (!headers.parse() || !headers.isTcp() || headers.version() != version) {
            return DropReason.SEGMENTATION;
        }
        int end = headers.tcpEnd();
        if (end == 0) {
            return DropReason.SEGMENTATION;
        }
        if (!packet.isChecksumBlank()) {
            // Each segment gets a checksum of its own, so the frame's is of no use.
            headers.startChecksum();
        }
        header.checksum(headers.transport(), headers.checksumOffset());
        int type = version == 4 ? VnetHeader.GSO_TCPV4 : VnetHeader.GSO_TCPV6;
        header.segments(headers.hasCwr() ? type | VnetHeader.GSO_ECN : type, packet.gsoSize(), end);
        return null;
    }
}
