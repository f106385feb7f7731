package io.xenemu.core.migration;

import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;

/// The RAM of a guest that comes from another host, before the guest has a domain here. The domain takes its file over.
public final class IncomingRam implements AutoCloseable {
    private final MemFd file;
    private final MemorySegment pages;
    private final WrittenRam written;
    private final BitSet missing = new BitSet();
    private boolean taken;

    /// @param name of the guest
    /// @param bytes all zeros at first
    /// @param pagesFollow whether pages may come after the guest runs: then it has no large pages, of which a part
    ///     cannot be missing
    /// @throws IOException if the host has no descriptor for it
    public IncomingRam(String name, long bytes, boolean pagesFollow) throws IOException {
        String label = "xen-ram-" + name;
        file = pagesFollow ? MemFd.create(label, bytes) : MemFd.createLarge(label, bytes);
        boolean done = false;
        try {
            pages = file.map(0, bytes);
            written = new WrittenRam(file, pages);
            done = true;
        } finally {
            if (!done) {
                file.close();
            }
        }
    }

    /// Takes pages that follow one another.
    void set(long first, MemorySegment run) throws IOException {
        written.run(first, run);
    }

    /// Makes pages that follow one another zero, and gives their memory back.
    void zero(long first, long count) {
        file.discard(pages.asSlice(first * SaveFormat.PAGE, count * SaveFormat.PAGE));
    }

    /// Takes note of pages that come later. What has come of them is of no use.
    void missing(long first, long end) {
        missing.set(Math.toIntExact(first), Math.toIntExact(end));
        zero(first, end - first);
    }

    /// The pages that come later.
    public BitSet missing() {
        return missing;
    }

    /// Its file, for whoever closes it from now on.
    public MemFd take() {
        written.close();
        taken = true;
        return file;
    }

    /// Frees it, unless it was taken.
    @Override
    public void close() {
        if (!taken) {
            written.close();
            file.close();
        }
    }
}
