package io.xenemu.core.boot;

import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/// A file that stays open. If the file is overwritten in place, its readers get the new bytes, or one clear failure.
final class FileContent implements BootContent, AutoCloseable {
    private final String name;
    private final FileChannel file;
    private final long size;

    private FileContent(String name, FileChannel file, long size) {
        this.name = name;
        this.file = file;
        this.size = size;
    }

    /// Opens a file.
    ///
    /// @param what its purpose for the guest, for messages
    /// @throws BootException if it does not exist, or cannot be read
    static FileContent open(Path path, String what) throws BootException {
        String name = what + " " + path;
        if (!Files.isRegularFile(path)) {
            throw new BootException(
                    name + ": " + (Files.exists(path) ? "not a regular file" : missing(path)));
        }
        try {
            FileChannel file = FileChannel.open(path);
            try {
                return new FileContent(name, file, file.size());
            } catch (IOException e) {
                file.close();
                throw e;
            }
        } catch (IOException e) {
            throw new BootException(name + ": cannot be read: " + IoReason.withoutFile(e), e);
        }
    }

    /// A file that its owner opens and closes.
    ///
    /// @param name for messages
    /// @throws BootException if its size cannot be found out
    static BootContent of(String name, FileChannel file) throws BootException {
        try {
            return new FileContent(name, file, file.size());
        } catch (IOException e) {
            throw new BootException(name + ": cannot be read: " + IoReason.withoutFile(e), e);
        }
    }

    /// The reason if there is nothing at a path.
    static String missing(Path path) {
        return "no such file" + BootLoader.at(path).map(BootLoader::advice).orElse("");
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public void read(long offset, MemorySegment into) throws BootException {
        ByteBuffer buffer = into.asByteBuffer();
        try {
            while (buffer.hasRemaining()) {
                if (file.read(buffer, offset + buffer.position()) < 0) {
                    throw new BootException(name + ": has become shorter while it was read");
                }
            }
        } catch (IOException e) {
            throw new BootException(name + ": cannot be read: " + IoReason.withoutFile(e), e);
        }
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            // Nothing was written to it, so no data is lost.
        }
    }
}
