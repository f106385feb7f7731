package io.xenemu.core.service;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/// The file with a daemon's process id. It is locked as long as the daemon runs, so two cannot have the same, and what a dead one
/// has left is taken over.
final class PidFile {
    /// A process id has 7 digits at most.
    private static final int MAX_BYTES = 16;

    /// Each needs another daemon that ends just then.
    private static final int TRIES = 10;

    private final @Nullable FileChannel channel;

    private PidFile(@Nullable FileChannel channel) {
        this.channel = channel;
    }

    /// Makes and locks it; it is removed with the resources.
    ///
    /// @param file null for none
    /// @throws HostException if another process has locked it, or it cannot be made
    static PidFile lock(@Nullable Path file, Resources open) throws HostException {
        if (file == null) {
            return new PidFile(null);
        }
        try {
            return new PidFile(locked(file, open));
        } catch (IOException e) {
            throw new HostException("--pid-file: " + file + ": " + IoReason.withoutFile(e), e);
        }
    }

    private static FileChannel locked(Path file, Resources open) throws IOException, HostException {
        for (int i = 0; i < TRIES; i++) {
            if (!Files.exists(file)) {
                create(file);
            }
            Object before = key(file);
            FileChannel channel =
                    FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
            if (channel.tryLock() == null) {
                String owner = content(channel);
                channel.close();
                throw new HostException("--pid-file: " + file + ": process " + owner + " has it");
            }
            if (before != null && before.equals(key(file))) {
                open.add(channel, FileChannel::close);
                open.add(file, Files::deleteIfExists);
                return channel;
            }
            channel.close(); // its owner has removed it meanwhile
        }
        throw new HostException("--pid-file: " + file + ": others remove it again and again");
    }

    private static void create(Path file) throws IOException {
        try {
            Files.createFile(file);
        } catch (FileAlreadyExistsException e) {
            // Another daemon was faster, or it is a link to nothing.
            return;
        }
    }

    private static @Nullable Object key(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    private static String content(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(MAX_BYTES);
        channel.read(bytes, 0);
        return US_ASCII.decode(bytes.flip()).toString().strip();
    }

    /// Writes the process id, when all is served.
    void write() throws IOException {
        if (channel != null) {
            channel.truncate(0);
            channel.write(US_ASCII.encode(ProcessHandle.current().pid() + "\n"), 0);
        }
    }
}
