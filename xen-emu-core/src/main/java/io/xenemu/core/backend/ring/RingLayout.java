package io.xenemu.core.backend.ring;

import com.google.errorprone.annotations.Immutable;
import io.xenemu.kvm.memory.GuestMemory;

/// The sizes in a ring of one protocol: what `DEFINE_RING_TYPES` makes of a request's and an answer's structure.
///
/// @param slotBytes the larger of a request and an answer: 4 to [#MAX_SLOT_BYTES]
/// @param answerBytes an answer with its padding; at most `slotBytes`
@Immutable
public record RingLayout(int slotBytes, int answerBytes) {
    /// The indices and reserved bytes at the start of a ring's first page.
    public static final int HEADER_BYTES = 64;

    /// The most pages of a ring: order 4, the largest that Linux's block back end offers.
    public static final int MAX_PAGES = 16;

    /// More than the largest slot of any protocol, which is the block request with 112 bytes.
    public static final int MAX_SLOT_BYTES = 256;

    public RingLayout {
        if (slotBytes < Integer.BYTES
                || slotBytes > MAX_SLOT_BYTES
                || answerBytes < 1
                || answerBytes > slotBytes) {
            throw new IllegalArgumentException(slotBytes + " bytes, answers " + answerBytes);
        }
    }

    /// The number of slots in a ring of so many pages: the largest power of two that fits behind the header.
    ///
    /// @param pages 1 to [#MAX_PAGES]
    public int slots(int pages) {
        if (pages < 1 || pages > MAX_PAGES) {
            throw new IllegalArgumentException("a ring of " + pages + " pages");
        }
        int fitting = (pages * GuestMemory.PAGE_SIZE - HEADER_BYTES) / slotBytes;
        return Integer.highestOneBit(fitting);
    }
}
