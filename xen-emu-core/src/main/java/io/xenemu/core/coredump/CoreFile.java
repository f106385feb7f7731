package io.xenemu.core.coredump;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.kvm.file.NewFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/// The file of a dump. It replaces an earlier one when it is complete. Only its owner may read it, since it has the
/// guest's secrets. Pages of zeros are holes.
final class CoreFile implements AutoCloseable {
    private static final int PAGE = Math.toIntExact(GuestMemoryMap.PAGE_SIZE);
    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[PAGE]);

    private final NewFile file;

    /// @param size of the file, in bytes
    /// @throws IOException if the file cannot be made, or there is something of that name that is not a file
    CoreFile(Path target, long size) throws IOException {
        file = new NewFile(target);
        try {
            file.setLength(size);
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    /// Writes all bytes of a buffer.
    void write(ByteBuffer bytes, long offset) throws IOException {
        long at = offset;
        while (bytes.hasRemaining()) {
            at += file.channel().write(bytes, at);
        }
    }

    /// Writes those pages of a buffer that are not zero.
    ///
    /// @param pages whole pages
    void writePages(ByteBuffer pages, long offset) throws IOException {
        MemorySegment memory = MemorySegment.ofBuffer(pages);
        int length = pages.remaining();
        int from = 0;
        while (from < length) {
            boolean zero = isZero(memory, from);
            int to = from + PAGE;
            while (to < length && isZero(memory, to) == zero) {
                to += PAGE;
            }
            if (!zero) {
                write(pages.slice(pages.position() + from, to - from), offset + from);
            }
            from = to;
        }
    }

    private static boolean isZero(MemorySegment memory, int page) {
        return MemorySegment.mismatch(memory, page, page + PAGE, ZEROS, 0, PAGE) < 0;
    }

    /// Renames the file to its final name, and so replaces an earlier one.
    void complete() throws IOException {
        file.complete();
    }

    /// Closes the file, and removes it if it is not complete.
    @Override
    public void close() throws IOException {
        file.close();
    }
}
