package io.xenemu.core.migration;

import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import org.jspecify.annotations.Nullable;

/// RAM that takes pages. They are written into its file, which costs half of the first touch of a mapped page. Huge
/// pages alone come by the mapping that has asked for them. Several threads may write different pages.
final class WrittenRam implements PageRunSink, AutoCloseable {
    private final MemorySegment pages;

    /// Null if the mapping is written to.
    private final @Nullable FileChannel file;

    /// @param file of the RAM
    /// @param pages all of it
    WrittenRam(MemFd file, MemorySegment pages) throws IOException {
        this.pages = pages;
        this.file = file.asksForHugePages() ? null : file.writer();
    }

    @Override
    public void run(long first, MemorySegment run) throws IOException {
        long at = first * SaveFormat.PAGE;
        if (file == null) {
            MemorySegment.copy(run, 0, pages, at, run.byteSize());
            return;
        }
        for (ByteBuffer left = run.asByteBuffer(); left.hasRemaining(); ) {
            at += file.write(left, at);
        }
    }

    /// Nothing waits to be written, so this does not fail on a host that works.
    @Override
    public void close() {
        if (file != null) {
            try {
                file.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
