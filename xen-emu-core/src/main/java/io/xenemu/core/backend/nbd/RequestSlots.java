package io.xenemu.core.backend.nbd;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The places of one connection, one for each request that was not answered, and the cookies that name them to the
/// server. Guarded by the disk's lock.
final class RequestSlots {
    /// Requests under way at once: half a ring of 256 on each of a few connections keeps a server busy. One more is
    /// for the disk's own flush.
    static final int COUNT = 128;

    /// The low bits of a cookie, which are the slot's number; those above are different each time.
    private static final int SLOT_BITS = 8;

    private final @Nullable NbdRequest[] slots = new @Nullable NbdRequest[COUNT + 1];
    private final int[] free = new int[COUNT + 1];
    private int freeCount;
    private long cookies;

    RequestSlots() {
        for (int i = COUNT; i >= 0; i--) {
            free[freeCount++] = i;
        }
    }

    /// Requests that were not answered.
    int inFlight() {
        return COUNT + 1 - freeCount;
    }

    /// Whether there is room for a request.
    ///
    /// @param own whether it is the disk's own flush, which has a place of its own
    boolean hasRoom(boolean own) {
        return freeCount > (own ? 0 : 1);
    }

    /// Gives a request a slot, and a new cookie.
    void assign(NbdRequest request) {
        int slot = free[--freeCount];
        request.cookie = newCookie(slot);
        slots[slot] = request;
    }

    /// A cookie that no request of the connection has had.
    long newCookie(int slot) {
        return ++cookies << SLOT_BITS | slot;
    }

    private static int slot(long cookie) {
        return (int) (cookie & ((1 << SLOT_BITS) - 1));
    }

    /// The request with a cookie, if it is under way here and not answered.
    @Nullable NbdRequest find(long cookie) {
        int slot = slot(cookie);
        NbdRequest request = slot < slots.length ? slots[slot] : null;
        return request != null && request.cookie == cookie && !request.answered ? request : null;
    }

    /// Frees the slot of a request that was sent and answered.
    void free(NbdRequest request) {
        int slot = slot(request.cookie);
        slots[slot] = null;
        free[freeCount++] = slot;
    }

    /// All requests that were not answered. They keep their slots: the connection is of no use any more.
    List<NbdRequest> all() {
        List<NbdRequest> all = new ArrayList<>();
        for (NbdRequest request : slots) {
            if (request != null) {
                all.add(request);
            }
        }
        return all;
    }
}
