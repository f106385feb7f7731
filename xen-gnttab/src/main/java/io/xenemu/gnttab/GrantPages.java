package io.xenemu.gnttab;

import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The granted pages of one request of a back end, mapped all together or none ([BackendMappings#mapPages]). The back
/// end owns the object and uses it again and again; nothing allocates but the constructor. Not thread-safe.
public final class GrantPages {
    final int[] refs;
    final long[] mfns;
    int count;
    boolean readOnly;
    @Nullable GuestFrames frames;

    /// @param capacity the most pages, 1 to [BackendMappings#MAX_RANGE]
    public GrantPages(int capacity) {
        if (capacity < 1 || capacity > BackendMappings.MAX_RANGE) {
            throw new IllegalArgumentException(capacity + " pages");
        }
        this.refs = new int[capacity];
        this.mfns = new long[capacity];
    }

    /// Removes all references, none of which is mapped.
    public void clear() {
        if (isMapped()) {
            throw new IllegalStateException("still mapped");
        }
        count = 0;
    }

    /// Adds a page at the end. The same reference may be added twice.
    ///
    /// @param ref the 32 bits of a reference as the guest wrote them
    /// @throws IndexOutOfBoundsException if there is no room: the caller has checked the guest's count
    public void add(int ref) {
        refs[count] = ref;
        count++;
    }

    /// The reference of a page, as it was added.
    ///
    /// @param page 0 to [#count] - 1
    public int ref(int page) {
        Objects.checkIndex(page, count);
        return refs[page];
    }

    /// The number of pages.
    public int count() {
        return count;
    }

    /// The most pages.
    public int capacity() {
        return refs.length;
    }

    /// Whether the pages are mapped now.
    public boolean isMapped() {
        return frames != null;
    }

    /// The host address of a page, for calls of the kernel. The page stays there until it is unmapped, even if its
    /// domain ends. If it was mapped read-only it must not be written to.
    ///
    /// @param page 0 to [#count] - 1
    public long address(int page) {
        GuestFrames owner = mapped(page);
        return owner.memory(mfns[page]).address() + owner.offset(mfns[page]);
    }

    /// The memory that contains a page, at [#offset]. It is writable; as with [#address], whoever has mapped the page
    /// read-only must not write.
    ///
    /// @param page 0 to [#count] - 1
    public MemorySegment memory(int page) {
        return mapped(page).memory(mfns[page]);
    }

    /// Where a page begins in [#memory], bytes.
    ///
    /// @param page 0 to [#count] - 1
    public long offset(int page) {
        return mapped(page).offset(mfns[page]);
    }

    /// Copies the front of a page. The guest may change it meanwhile, so that only the copy can be checked.
    ///
    /// @param page 0 to [#count] - 1
    /// @param bytes at most the page's 4096, and the size of `into`
    public void copyOut(int page, MemorySegment into, int bytes) {
        GuestFrames owner = mapped(page);
        if (bytes < 0 || bytes > GuestMemory.PAGE_SIZE) {
            throw new IndexOutOfBoundsException(bytes);
        }
        long mfn = mfns[page];
        MemorySegment.copy(owner.memory(mfn), owner.offset(mfn), into, 0, bytes);
    }

    private GuestFrames mapped(int page) {
        GuestFrames owner = frames;
        if (owner == null || page < 0 || page >= count) {
            throw new IllegalStateException("page " + page + " is not mapped");
        }
        return owner;
    }
}
