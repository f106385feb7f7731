package io.xenemu.core.memory;

import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.WriteLog;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;

/// The pages of a domain's RAM that this process has written since they were last taken: one bit for each page. Any
/// thread marks.
///
/// A page is marked after the write. So a page that was taken, and whose mark comes later, is taken again. Marks are
/// always locked operations, even for a bit that is set: they keep the write in front of them.
final class DirtyPages implements WriteLog {
    private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);

    private final RamView[] views;
    private final long[] words;

    /// @param views this process's mappings of the RAM
    /// @param pages the number of pages
    DirtyPages(List<RamView> views, long pages) {
        this.views = views.toArray(RamView[]::new);
        words = new long[Math.toIntExact((pages + Long.SIZE - 1) / Long.SIZE)];
    }

    /// Marks the pages of some bytes, if they are RAM. A special page shown over RAM marks the page under it, which
    /// does no harm.
    @Override
    public void written(long address, long length) {
        for (RamView view : views) {
            long offset = address - view.mapping().address();
            if (offset >= 0 && offset < view.mapping().byteSize()) {
                long last = view.first() + (offset + length - 1) / GuestMemory.PAGE_SIZE;
                for (long page = view.first() + offset / GuestMemory.PAGE_SIZE;
                        page <= last;
                        page++) {
                    mark(page);
                }
                return;
            }
        }
    }

    /// Marks a page.
    void mark(long page) {
        long _ = (long) WORDS.getAndBitwiseOr(words, (int) (page / Long.SIZE), 1L << page);
    }

    /// Takes all marked pages.
    ///
    /// @param into gets their bits besides those it has
    void takeTo(long[] into) {
        for (int i = 0; i < words.length; i++) {
            if ((long) WORDS.getOpaque(words, i) != 0) {
                into[i] |= (long) WORDS.getAndSet(words, i, 0L);
            }
        }
    }
}
