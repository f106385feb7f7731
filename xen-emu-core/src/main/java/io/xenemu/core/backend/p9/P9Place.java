package io.xenemu.core.backend.p9;

import com.google.common.primitives.Bytes;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.file.Statx;
import org.jspecify.annotations.Nullable;

/// A file that is not open: a descriptor for its place (`O_PATH`). While no request uses it, it can be parked: it gives
/// the descriptor back, keeps its path, and opens it again below the share's root when it is needed.
final class P9Place extends P9Object {
    private static final int NONE = -1;

    private final P9Descriptors descriptors;
    private final int mode;
    private final long device;
    private final long inode;
    private final long born;
    private final int bornNanos;

    /// Set and cleared by [P9Fids] and under this object's lock.
    private volatile int descriptor;

    /// The path below the root, without an end; empty if it has become too long. Guarded by [P9Fids] while parked.
    byte @Nullable [] path;

    /// Set when a request uses it; [P9Fids] clears it in passing, and parks those that stay cleared.
    boolean recent = true;

    /// @param descriptor taken over
    /// @param status of the file
    P9Place(P9Descriptors descriptors, int descriptor, Statx status, int uid) {
        super(uid);
        this.descriptors = descriptors;
        this.descriptor = descriptor;
        mode = status.mode();
        device = status.device();
        inode = status.inode();
        born = status.born();
        bornNanos = status.bornNanos();
    }

    /// A parked place of another process.
    P9Place(P9Descriptors descriptors, P9State.Handed.Parked parked, int uid) {
        super(uid);
        this.descriptors = descriptors;
        descriptor = NONE;
        mode = parked.mode();
        device = parked.device();
        inode = parked.inode();
        born = parked.born();
        bornNanos = parked.bornNanos();
        path = Bytes.toArray(parked.path());
    }

    /// How another process of this host gets it. No request runs.
    P9State.Handed handed() {
        byte[] parked = path;
        return parked == null
                ? new P9State.Handed.Place()
                : new P9State.Handed.Parked(
                        Bytes.asList(parked), mode, device, inode, born, bornNanos);
    }

    /// The type bits of the file's mode: they never change.
    int type() {
        return mode & OpenFlags.S_IFMT;
    }

    boolean isSame(Statx status) {
        return status.device() == device
                && status.inode() == inode
                && status.born() == born
                && status.bornNanos() == bornNanos;
    }

    /// The descriptor of a place that is not parked. No request runs.
    int here() {
        return descriptor;
    }

    boolean isParked() {
        return descriptor == NONE;
    }

    /// Gives the descriptor back.
    void park() {
        int closing = descriptor;
        descriptor = NONE;
        descriptors.close(closing);
    }

    @Override
    int descriptor(P9Scratch scratch) throws P9Error {
        int fd = descriptor;
        return fd == NONE ? unpark(scratch) : fd;
    }

    private synchronized int unpark(P9Scratch scratch) throws P9Error {
        byte[] from = path;
        if (descriptor != NONE || from == null) {
            return descriptor;
        }
        P9Scratch.copy(from, 0, from.length, scratch.otherPath);
        int fd = descriptors.open(scratch, scratch.otherPath);
        int result = fd < 0 ? fd : scratch.files.status(fd, scratch.status);
        if (result < 0 || !isSame(scratch.status)) {
            if (fd >= 0) {
                descriptors.close(fd);
            }
            throw P9Error.of(
                    result == -Errno.EMFILE || result == -Errno.ENFILE ? -result : Errno.ESTALE);
        }
        descriptor = fd;
        descriptors.unparked(this);
        return fd;
    }

    @Override
    void end() {
        if (descriptor != NONE) {
            descriptors.close(descriptor);
            descriptor = NONE;
        }
    }
}
