package io.xenemu.core.memory;

import io.xenemu.gnttab.ContiguousPages;
import io.xenemu.gnttab.GuestFrames;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Shows pages of domains contiguously, by mapping their memory again. Each view costs one mmap(2), and one of the
/// process's mappings, for every piece that is contiguous in the domain. Any thread may use it.
public final class ContiguousViews implements ContiguousPages {
    private final Map<Long, Arena> views = new ConcurrentHashMap<>();

    /// Views, none yet.
    public ContiguousViews() {}

    @Override
    public MemorySegment assemble(GuestFrames owner, long[] mfns, int count, boolean readOnly) {
        if (!(owner instanceof DomainFrames frames)) {
            throw new IllegalArgumentException("not a domain of this service: " + owner);
        }
        Arena arena = Arena.ofShared();
        try {
            // Any memory of that length reserves the addresses.
            MemorySegment view =
                    frames.ram().map(arena, 0, (long) count * GuestMemory.PAGE_SIZE, readOnly);
            for (int first = 0; first < count; ) {
                int next = endOfPiece(frames, mfns, first, count);
                frames.await(mfns[first], next - first);
                MemFd file = frames.file(mfns[first]);
                MemorySegment piece =
                        view.asSlice(
                                (long) first * GuestMemory.PAGE_SIZE,
                                (long) (next - first) * GuestMemory.PAGE_SIZE);
                file.mapFixed(frames.offset(mfns[first]), piece, readOnly);
                first = next;
            }
            views.put(view.address(), arena);
            return view;
        } catch (RuntimeException | Error e) {
            arena.close();
            throw e;
        }
    }

    /// The index after the last page that follows the first one contiguously in its file.
    private static int endOfPiece(DomainFrames frames, long[] mfns, int first, int count) {
        int next = first + 1;
        while (next < count
                && mfns[next] == mfns[next - 1] + 1
                && frames.file(mfns[next]) == frames.file(mfns[first])) {
            next++;
        }
        return next;
    }

    @Override
    public void dissolve(MemorySegment view) {
        Arena arena = views.remove(view.address());
        if (arena == null) {
            throw new IllegalArgumentException("not a view: " + view);
        }
        arena.close();
    }
}
