package io.xenemu.core.memory;

import com.google.common.primitives.ImmutableLongArray;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// Pages that Xen, not the guest, owns: the fixed special pages, shared_info, and the grant table's entry and status
/// frames. They are in a memfd of their own and overlay guest-physical addresses. So each keeps one address for the
/// modules and KVM, however often the guest moves it.
public final class SpecialPages implements AutoCloseable {
    /// The fixed special pages at GFN 0xfeff8 come first.
    static final int FIXED_PAGES =
            Math.toIntExact(GuestMemoryMap.SPECIAL_SIZE / GuestMemory.PAGE_SIZE);

    public static final int SHARED_INFO = FIXED_PAGES;
    private static final int FIRST_GRANT_FRAME = SHARED_INFO + 1;
    private static final ValueLayout.OfLong WORD =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final MemorySegment ZEROS =
            MemorySegment.ofArray(new byte[GuestMemory.PAGE_SIZE]);

    private final MemFd memfd;
    private final MemorySegment pages;
    private final int firstStatusFrame;
    private final int count;

    /// @param name for /proc/PID/maps
    /// @param grantFrames the most grant frames of the domain
    /// @param statusFrames the most grant status frames
    public SpecialPages(String name, int grantFrames, int statusFrames) {
        firstStatusFrame = FIRST_GRANT_FRAME + grantFrames;
        count = firstStatusFrame + statusFrames;
        memfd = MemFd.create(name, (long) count * GuestMemory.PAGE_SIZE);
        try {
            pages = memfd.map(0, (long) count * GuestMemory.PAGE_SIZE);
        } catch (RuntimeException e) {
            memfd.close();
            throw e;
        }
    }

    /// The page number of grant frame `index`.
    public static int grantFrame(int index) {
        return FIRST_GRANT_FRAME + index;
    }

    /// The page number of grant status frame `index`.
    public int statusFrame(int index) {
        return firstStatusFrame + index;
    }

    /// The service's own mapping of all pages.
    public MemorySegment pages() {
        return pages;
    }

    /// The service's own mapping of page `number`.
    public MemorySegment page(int number) {
        return pages.asSlice((long) number * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
    }

    /// The XenStore ring (`HVM_PARAM_STORE_PFN`).
    public MemorySegment xenstore() {
        return fixedPage(GuestMemoryMap.XENSTORE_GFN);
    }

    /// The console ring (`HVM_PARAM_CONSOLE_PFN`).
    public MemorySegment console() {
        return fixedPage(GuestMemoryMap.CONSOLE_GFN);
    }

    private MemorySegment fixedPage(long gfn) {
        return page(Math.toIntExact(gfn - GuestMemoryMap.SPECIAL_START / GuestMemory.PAGE_SIZE));
    }

    /// The number of pages.
    public int count() {
        return count;
    }

    MemFd memfd() {
        return memfd;
    }

    /// The contents of the pages that are not all zeros, in the order of their numbers.
    List<MemoryState.Content> save() {
        List<MemoryState.Content> contents = new ArrayList<>();
        for (int page = 0; page < count; page++) {
            MemorySegment content = page(page);
            if (content.mismatch(ZEROS) >= 0) {
                ImmutableLongArray words = ImmutableLongArray.copyOf(content.toArray(WORD));
                contents.add(new MemoryState.Content(page, words));
            }
        }
        return contents;
    }

    /// Takes over the contents of a saved domain's pages. The pages are new.
    ///
    /// @throws IllegalArgumentException if there is no such page
    void restore(List<MemoryState.Content> contents) {
        for (MemoryState.Content content : contents) {
            requirePage(content.page());
            MemorySegment.copy(
                    content.words().toArray(),
                    0,
                    page(content.page()),
                    WORD,
                    0,
                    content.words().length());
        }
    }

    /// Checks a saved domain's page number.
    ///
    /// @throws IllegalArgumentException if there is no such page
    void requirePage(int page) {
        if (page >= count) {
            throw new IllegalArgumentException("no special page " + page);
        }
    }

    @Override
    public void close() {
        memfd.close();
    }
}
