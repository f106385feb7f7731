package io.xenemu.core.backend.net;

import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.net.TapOffload;
import java.util.EnumSet;
import java.util.Set;

/// What a guest takes of frames that it receives.
///
/// @param scatter frames of several pages (`feature-sg`)
/// @param checksum frames without a checksum
/// @param segments4 TCP over IPv4 of up to 64 KiB; needs the two above
/// @param segments6 the same over IPv6
/// @param notifies whether it sends an event when it posts pages (`feature-rx-notify`)
/// @param headroom bytes to leave free in each page, 0 to [#MAX_HEADROOM]
record RxFeatures(
        boolean scatter,
        boolean checksum,
        boolean segments4,
        boolean segments6,
        boolean notifies,
        int headroom) {
    /// Half of a page. The header's limit, 0x7fff, is more than a page has; Linux's front end wants 256.
    static final int MAX_HEADROOM = 0x7ff;

    /// The most data of one frame: what a tap gives, 64 KiB of IP and an Ethernet header with tags.
    static final int MAX_FRAME = 65536 + TxPacket.ETHERNET_BYTES + 8;

    /// Bytes of a page.
    static final int PAGE = GuestMemory.PAGE_SIZE;

    RxFeatures {
        boolean segments = segments4 || segments6;
        if ((segments && !(scatter && checksum)) || headroom < 0 || headroom > MAX_HEADROOM) {
            throw new IllegalArgumentException("segments " + segments + ", headroom " + headroom);
        }
    }

    RxFeatures withHeadroom(int bytes) {
        return new RxFeatures(scatter, checksum, segments4, segments6, notifies, bytes);
    }

    /// The most slots with extra information of a frame.
    int mostExtras() {
        return (segments4 || segments6 ? 1 : 0) + (headroom > 0 ? 1 : 0);
    }

    /// The most slots with data of a frame.
    int mostChunks() {
        return scatter ? (MAX_FRAME + PAGE - headroom - 1) / (PAGE - headroom) : 1;
    }

    /// What a tap may leave to the guest.
    Set<TapOffload> offloads() {
        Set<TapOffload> offloads = EnumSet.noneOf(TapOffload.class);
        if (checksum) {
            offloads.add(TapOffload.CHECKSUM);
        }
        if (segments4) {
            offloads.add(TapOffload.TCP4);
        }
        if (segments6) {
            offloads.add(TapOffload.TCP6);
        }
        if (segments4 || segments6) {
            offloads.add(TapOffload.TCP_ECN);
        }
        return offloads;
    }
}
