package io.xenemu.core.backend.console;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.FileStatus;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A console whose output is appended to a file, up to a size. It goes on when an operator has truncated the file. It
/// has no input.
final class FileEnd implements HostEnd {
    private static final Logger log = LoggerFactory.getLogger(FileEnd.class);

    private final Path path;
    private final long mostBytes;
    private final HostFile file;
    private final Arena arena = Arena.ofShared();
    private final IoVectors vectors = new IoVectors(arena, 1);

    /// The file's size; less after it was truncated.
    private long bytes;

    private boolean failing;

    /// Opens the file, or makes it with mode 0600, and locks it.
    ///
    /// @param mostBytes its largest size
    /// @throws Refused if it cannot be had
    FileEnd(Path path, long mostBytes) throws Refused {
        this.path = path;
        this.mostBytes = mostBytes;
        boolean done = false;
        try {
            make(path);
            file = HostFile.open(path, EnumSet.of(HostFile.Access.WRITE, HostFile.Access.APPEND));
            done = true;
        } catch (IOException e) {
            throw new Refused(path + " cannot be made: " + IoReason.withoutFile(e));
        } catch (KvmException e) {
            throw new Refused(path + " cannot be opened: " + e.getMessage());
        } finally {
            if (!done) {
                arena.close();
            }
        }
        check();
    }

    /// One that another process of this service has opened and locked.
    ///
    /// @param descriptors as [#descriptors] gives them; taken over, also if this fails
    /// @throws Refused if they are none
    FileEnd(Path path, long mostBytes, ImmutableIntArray descriptors) throws Refused {
        this.path = path;
        this.mostBytes = mostBytes;
        file = HostFile.received(descriptors.get(0));
        check();
    }

    private static void make(Path path) throws IOException {
        try {
            Files.createFile(
                    path,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
        } catch (FileAlreadyExistsException e) {
            // It is continued.
        }
    }

    private void check() throws Refused {
        boolean done = false;
        try {
            FileStatus status = file.status();
            if (status.kind() != FileStatus.Kind.REGULAR) {
                throw new Refused(path + " is not a regular file");
            }
            int locked = file.lock(true);
            if (locked < 0) {
                boolean isTaken = locked == -Errno.EAGAIN || locked == -Errno.EACCES;
                String reason = isTaken ? "in use" : Errno.name(-locked);
                throw new Refused("%s cannot be locked: %s".formatted(path, reason));
            }
            bytes = status.bytes();
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    private long room() {
        if (bytes >= mostBytes) {
            // It may have been truncated.
            bytes = file.status().bytes();
        }
        return mostBytes - bytes;
    }

    @Override
    public boolean look() {
        return false;
    }

    /// A guest does not wait for an operator to truncate the file.
    @Override
    public boolean hasReader() {
        return false;
    }

    @Override
    public int write(MemorySegment from, int count) {
        int most = (int) Math.min(count, Math.max(0, room()));
        if (most == 0) {
            return 0;
        }
        vectors.clear();
        vectors.add(from.address(), most);
        // Its end, whatever the offset is.
        long written = file.write(vectors, 0);
        if (written < 0 && !failing) {
            log.warn("{} cannot be written: {}", path, Errno.name((int) -written));
        }
        failing = written < 0;
        bytes += Math.max(0, written);
        return (int) Math.max(0, written);
    }

    @Override
    public int read(MemorySegment into, int count) {
        return 0;
    }

    @Override
    public boolean mayWait() {
        return true;
    }

    @Override
    public ImmutableIntArray descriptors() {
        return ImmutableIntArray.of(file.fd());
    }

    @Override
    public void handedOver() {
        // The lock belongs to the open file, which the other process has too.
    }

    @Override
    public void close() {
        file.close();
        arena.close();
    }
}
