package io.xenemu.core.memory;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.memory.MemFd;
import org.jspecify.annotations.Nullable;

/// The pages that a guest reads around the pages shown in holes of its memory. Any thread may use it.
public final class HolePages implements AutoCloseable {
    @GuardedBy("this")
    private @Nullable MemFd made;

    /// Allocates nothing until a guest needs it.
    public HolePages() {}

    /// [PhysicalRanges#WINDOW] bytes that read as all ones, as unused addresses do.
    synchronized MemFd memory() {
        MemFd pages = made;
        if (pages == null) {
            pages = MemFd.create("xen-holes", PhysicalRanges.WINDOW);
            pages.map(0, PhysicalRanges.WINDOW).fill((byte) -1);
            made = pages;
        }
        return pages;
    }

    /// Frees the pages. Called after the last domain.
    @Override
    public synchronized void close() {
        if (made != null) {
            made.close();
        }
    }
}
