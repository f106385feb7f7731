package io.xenemu.core.backend.nbd;

import org.jspecify.annotations.Nullable;

/// Requests in order, linked through themselves, so that nothing is allocated. A request is in one queue at most.
final class RequestQueue {
    private @Nullable NbdRequest first;
    private @Nullable NbdRequest last;

    /// The first, or null.
    @Nullable NbdRequest first() {
        return first;
    }

    void addLast(NbdRequest request) {
        request.next = null;
        if (last == null) {
            first = request;
        } else {
            last.next = request;
        }
        last = request;
    }

    void addFirst(NbdRequest request) {
        request.next = first;
        first = request;
        if (last == null) {
            last = request;
        }
    }

    /// Removes the first, or returns null.
    @Nullable NbdRequest removeFirst() {
        NbdRequest removed = first;
        if (removed != null) {
            first = removed.next;
            removed.next = null;
            if (first == null) {
                last = null;
            }
        }
        return removed;
    }
}
