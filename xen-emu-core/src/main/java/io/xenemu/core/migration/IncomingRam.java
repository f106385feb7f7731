package io.xenemu.core.migration;

import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;

/// The RAM of a guest that comes from another host, before the guest has a domain here. The domain takes its file over.
public final class IncomingRam implements AutoCloseable {
    private final MemFd file;
    private final MemorySegment pages;
    private boolean taken;

    /// @param name of the guest
    /// @param bytes all zeros at first
    public IncomingRam(String name, long bytes) {
        file = MemFd.createLarge("xen-ram-" + name, bytes);
        boolean done = false;
        try {
            pages = file.map(0, bytes);
            done = true;
        } finally {
            if (!done) {
                file.close();
            }
        }
    }

    /// Takes pages that follow one another.
    void set(long first, MemorySegment run) {
        MemorySegment.copy(run, 0, pages, first * SaveFormat.PAGE, run.byteSize());
    }

    /// Makes pages that follow one another zero, and gives their memory back.
    void zero(long first, long count) {
        file.discard(pages.asSlice(first * SaveFormat.PAGE, count * SaveFormat.PAGE));
    }

    /// Its file, for whoever closes it from now on.
    public MemFd take() {
        taken = true;
        return file;
    }

    /// Frees it, unless it was taken.
    @Override
    public void close() {
        if (!taken) {
            file.close();
        }
    }
}
