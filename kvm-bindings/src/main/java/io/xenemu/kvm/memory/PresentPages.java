package io.xenemu.kvm.memory;

import io.xenemu.kvm.libc.Mapping;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// The pages of a memory that have come, a bit for each, in memory that two processes share: the one that brings pages
/// sets bits, the other one looks. No bit is cleared.
///
/// Any thread may use it. Looking allocates nothing.
public final class PresentPages implements AutoCloseable {
    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();

    private final MemFd file;
    private final MemorySegment words;

    private PresentPages(MemFd file) {
        this.file = file;
        words = file.map(0, file.size());
    }

    /// No page yet.
    ///
    /// @param pages their number
    public static PresentPages create(String name, long pages) {
        return new PresentPages(MemFd.create(name, bytes(pages)));
    }

    /// Those of another process.
    ///
    /// @param descriptor that it has sent, owned from now on
    /// @param pages their number
    /// @throws io.xenemu.kvm.abi.KvmException if it is no memory of that size
    public static PresentPages received(int descriptor, long pages) {
        return new PresentPages(MemFd.received(descriptor, bytes(pages)));
    }

    private static long bytes(long pages) {
        long bytes = (pages + Long.SIZE - 1) / Long.SIZE * Long.BYTES;
        return (bytes + Mapping.PAGE_SIZE - 1) / Mapping.PAGE_SIZE * Mapping.PAGE_SIZE;
    }

    /// The descriptor's number, to send to another process. This object keeps the ownership.
    public int fd() {
        return file.fd();
    }

    /// Whether a page has come.
    public boolean has(long page) {
        return (word(page) >>> page & 1) != 0;
    }

    /// Whether all pages of a range have come.
    ///
    /// @param from the first page
    /// @param to the page after the last one
    public boolean hasAll(long from, long to) {
        long page = from;
        while (page < to) {
            long word = word(page);
            if (page % Long.SIZE == 0 && word == -1L) {
                page += Long.SIZE;
            } else if ((word >>> page & 1) != 0) {
                page++;
            } else {
                return false;
            }
        }
        return true;
    }

    private long word(long page) {
        return (long) WORD.getAcquire(words, page / Long.SIZE * Long.BYTES);
    }

    /// Notes that pages have come.
    ///
    /// @param from the first page
    /// @param to the page after the last one
    public void set(long from, long to) {
        for (long page = from; page < to; page++) {
            long _ = (long) WORD.getAndBitwiseOr(words, page / Long.SIZE * Long.BYTES, 1L << page);
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
