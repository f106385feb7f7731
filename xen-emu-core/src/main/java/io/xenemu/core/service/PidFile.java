package io.xenemu.core.service;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/// The file with a daemon's process id. It is locked while the daemon runs, so two daemons cannot have the same one.
/// The file of a dead daemon is taken over.
final class PidFile {
    /// A process id has 7 digits at most.
    private static final int MAX_BYTES = 16;

    /// The most attempts to lock the file. Each failure needs another daemon that ends just then.
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
            FileChannel channel = tryLock(file);
            if (channel != null) {
                open.add(channel, FileChannel::close);
                open.add(file, Files::deleteIfExists);
                return channel;
            }
        }
        throw new HostException(
                "--pid-file: "
                        + file
                        + ": it is a dangling link, or another process keeps removing it");
    }

    /// Locks the file; null if its owner has removed or replaced it meanwhile.
    private static @Nullable FileChannel tryLock(Path file) throws IOException, HostException {
        Object before = key(file);
        if (before == null) {
            return null;
        }
        boolean locked = false;
        FileChannel channel;
        try {
            channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } catch (NoSuchFileException e) {
            return null;
        }
        try {
            if (channel.tryLock() == null) {
                throw new HostException(
                        "--pid-file: " + file + ": process " + content(channel) + " has it");
            }
            locked = before.equals(key(file));
            return locked ? channel : null;
        } finally {
            if (!locked) {
                channel.close();
            }
        }
    }

    private static void create(Path file) throws IOException {
        try {
            Files.createFile(file);
        } catch (FileAlreadyExistsException e) {
            // Another daemon was faster, or it is a link to nothing.
            return;
        }
    }

    /// The identity of the file, which differs from that of a later one of its name; null if there is none.
    private static @Nullable Object key(Path file) throws IOException {
        try {
            return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    private static String content(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(MAX_BYTES);
        channel.read(bytes, 0);
        return US_ASCII.decode(bytes.flip()).toString().strip();
    }

    /// Writes the process id at once.
    ///
    /// @throws HostException if that fails
    void writeNow() throws HostException {
        try {
            write();
        } catch (IOException e) {
            throw new HostException("--pid-file: " + IoReason.withoutFile(e), e);
        }
    }

    /// Writes the process id, when all is served.
    void write() throws IOException {
        if (channel != null) {
            channel.truncate(0);
            channel.write(US_ASCII.encode(ProcessHandle.current().pid() + "\n"), 0);
        }
    }
}
