package io.xenemu.core.backend.net;

import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/// A guest's pages in plain memory: reference N grants page N, unless it is refused.
final class FakePages implements GrantedPages {
    final MemorySegment memory;
    final Set<Integer> refused = new HashSet<>();
    private final int pages;
    private final Map<Integer, Integer> pinned = new HashMap<>();
    long pins;

    FakePages(Arena arena, int pages) {
        this.pages = pages;
        memory = arena.allocate((long) pages * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
    }

    @Override
    public boolean pin(int place, int gref, boolean readOnly) {
        if (gref < 0 || gref >= pages || refused.contains(gref)) {
            return false;
        }
        if (pinned.put(place, gref) != null) {
            throw new IllegalStateException("place " + place + " is in use");
        }
        pins++;
        return true;
    }

    @Override
    public MemorySegment memory(int place) {
        return memory;
    }

    @Override
    public long offset(int place) {
        Integer gref = pinned.get(place);
        if (gref == null) {
            throw new IllegalStateException("place " + place + " is free");
        }
        return (long) gref * GuestMemory.PAGE_SIZE;
    }

    @Override
    public void unpin(int place) {
        pinned.remove(place);
    }

    /// The pages in use.
    int inUse() {
        return pinned.size();
    }
}
