package io.xenemu.core.coredump;

import io.xenemu.core.boot.GuestMemoryMap;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/// The file of a dump. It is written under a temporary name in the same folder, and renamed when it is complete. Only
/// its owner may read it, since it has the guest's secrets. Pages of zeros are holes.
final class CoreFile implements AutoCloseable {
    private static final int PAGE = Math.toIntExact(GuestMemoryMap.PAGE_SIZE);
    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[PAGE]);

    private final Path target;
    private final Path partial;
    private final RandomAccessFile file;
    private boolean complete;

    /// @throws IOException if the file cannot be made, or there is something of that name that is not a file
    CoreFile(Path target, long size) throws IOException {
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            throw new FileSystemException(target.toString(), null, "it is not a regular file");
        }
        Path name = target.getFileName();
        Path folder = target.toAbsolutePath().getParent();
        if (name == null || folder == null) {
            throw new FileSystemException(target.toString(), null, "it is not a file");
        }
        this.target = target;
        // Makes a file of mode 0600.
        partial = Files.createTempFile(folder, name + ".", ".partial");
        try {
            file = new RandomAccessFile(partial.toFile(), "rw");
            file.setLength(size);
        } catch (IOException e) {
            Files.deleteIfExists(partial);
            throw e;
        }
    }

    /// Writes all bytes of a buffer.
    void write(ByteBuffer bytes, long offset) throws IOException {
        long at = offset;
        while (bytes.hasRemaining()) {
            at += file.getChannel().write(bytes, at);
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
        file.getChannel().force(true);
        file.close();
        Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
        complete = true;
        try (FileChannel folder =
                FileChannel.open(
                        target.toAbsolutePath().resolveSibling("."), StandardOpenOption.READ)) {
            folder.force(true);
        }
    }

    /// Closes the file, and removes it if it is not complete.
    @Override
    public void close() throws IOException {
        file.close();
        if (!complete) {
            Files.deleteIfExists(partial);
        }
    }
}
