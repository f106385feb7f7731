package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.memory.MemFd;
import org.jspecify.annotations.Nullable;

/// What a guest reads around the pages that are shown to it in holes of its memory. Any thread may use it.
public final class HolePages implements AutoCloseable {
    @GuardedBy("this")
    private @Nullable MemFd made;

    /// Takes nothing until a guest needs it.
    public HolePages() {}

    /// [PhysicalRanges#WINDOW] bytes that read as all ones, as addresses do at which there is nothing.
    synchronized MemFd memory() {
        MemFd pages = made;
        if (pages == null) {
            pages = MemFd.create("xen-holes", PhysicalRanges.WINDOW);
            pages.map(0, PhysicalRanges.WINDOW).fill((byte) -1);
            made = pages;
        }
        return pages;
    }

    /// Ends it after the last domain.
    @Override
    public synchronized void close() {
        if (made != null) {
            made.close();
        }
    }
}
