package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.kvm.abi.xen.NetifStructs.RxRequest;
import java.lang.foreign.MemorySegment;

/// The pages that the guest has posted and that wait for the next frame, in the order of the ring. They are pinned, so
/// that the host can put a frame into them. Entry 0 is the oldest. One thread uses it; nothing here allocates.
final class RxWindow {
    /// Entries for the largest frame with the largest headroom, and its extra information.
    static final int CAPACITY =
            RxFeatures.MAX_FRAME / (RxFeatures.PAGE - RxFeatures.MAX_HEADROOM) + 1 + 2;

    /// Whether an entry's page is pinned, cannot be, or has not been tried.
    private enum Pin {
        HELD,
        REFUSED,
        LOOSE
    }

    private final GrantedPages pages;
    private final int[] grefs = new int[CAPACITY];
    private final short[] ids = new short[CAPACITY];
    private final Pin[] pins = new Pin[CAPACITY];
    private int first;
    private int count;

    /// @param pages has [#CAPACITY] places
    RxWindow(GrantedPages pages) {
        this.pages = pages;
    }

    private int place(int entry) {
        return (first + entry) % CAPACITY;
    }

    /// The number of entries.
    int count() {
        return count;
    }

    /// Takes requests from the ring until there are so many entries, or no request is left.
    ///
    /// @return whether it took any
    boolean fill(SharedRing ring, int wanted) {
        int missing = Math.min(wanted - count, ring.look());
        for (int i = 0; i < missing; i++) {
            MemorySegment request = ring.take();
            int place = place(count);
            ids[place] = request.get(JAVA_SHORT_UNALIGNED, RxRequest.ID.offset64());
            grefs[place] = request.get(JAVA_INT_UNALIGNED, RxRequest.GREF.offset64());
            pins[place] = Pin.LOOSE;
            count++;
        }
        return missing > 0;
    }

    /// Whether an entry's page can be written to; pins it if that was not tried yet.
    boolean hold(int entry) {
        int place = place(entry);
        if (pins[place] == Pin.LOOSE) {
            pins[place] = pages.pin(place, grefs[place], false) ? Pin.HELD : Pin.REFUSED;
        }
        return pins[place] == Pin.HELD;
    }

    /// The memory that contains the page of an entry that [#hold] holds, at [#offset].
    MemorySegment memory(int entry) {
        return pages.memory(place(entry));
    }

    long offset(int entry) {
        return pages.offset(place(entry));
    }

    /// The guest's name of an entry, for the answer.
    short id(int entry) {
        return ids[place(entry)];
    }

    /// Removes the oldest entry, and gives its page back.
    void remove() {
        letGo(first);
        first = (first + 1) % CAPACITY;
        count--;
    }

    /// Gives all pages back; the entries stay, and are pinned again when they are needed.
    void release() {
        for (int i = 0; i < count; i++) {
            letGo(place(i));
        }
    }

    private void letGo(int place) {
        if (pins[place] == Pin.HELD) {
            pages.unpin(place);
        }
        pins[place] = Pin.LOOSE;
    }
}
