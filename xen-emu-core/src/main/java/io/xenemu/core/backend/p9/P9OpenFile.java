package io.xenemu.core.backend.p9;

import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.OpenFlags;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;

/// An open regular file or directory.
final class P9OpenFile extends P9Object {
    private static final int NONE = -1;

    private final P9Descriptors descriptors;
    private final int descriptor;
    private final int flags;
    private final int mode;

    /// Position of the next record of a directory; guarded by this object's lock.
    long position;

    /// A descriptor for locks, which allows both kinds of lock; guarded by this object's lock.
    private int locks = NONE;

    /// @param descriptor taken over, as is the caller's count of an open file
    /// @param flags of the open
    /// @param mode gives the file's type
    P9OpenFile(P9Descriptors descriptors, int descriptor, int flags, int mode, int uid) {
        super(uid);
        this.descriptors = descriptors;
        this.descriptor = descriptor;
        this.flags = flags;
        this.mode = mode;
    }

    /// A file that another process had open. The descriptors are taken over.
    ///
    /// @param locks the one for locks, if it is another one
    P9OpenFile(
            P9Descriptors descriptors,
            int descriptor,
            OptionalInt locks,
            P9State.Handed.Open handed,
            int mode,
            int uid) {
        this(descriptors, descriptor, handed.flags(), mode, uid);
        this.locks =
                switch (handed.locks()) {
                    case NONE -> NONE;
                    case FILE -> descriptor;
                    case OWN -> locks.orElseThrow();
                };
        position = handed.position();
    }

    /// How another process of this host gets it. No request runs.
    synchronized P9State.Handed.Open handed() {
        P9State.Handed.Locks on =
                locks == NONE
                        ? P9State.Handed.Locks.NONE
                        : locks == descriptor
                                ? P9State.Handed.Locks.FILE
                                : P9State.Handed.Locks.OWN;
        return new P9State.Handed.Open(on, flags, position);
    }

    /// The descriptor for locks, if it is another one. No request runs.
    synchronized OptionalInt ownLocks() {
        return locks == NONE || locks == descriptor ? OptionalInt.empty() : OptionalInt.of(locks);
    }

    int descriptor() {
        return descriptor;
    }

    /// Of the guest's open.
    int flags() {
        return flags;
    }

    @Override
    int descriptor(P9Scratch scratch) {
        return descriptor;
    }

    @Override
    int read(long offset, MemorySegment to, int count) throws P9Error {
        return (int) P9Error.check(Beneath.read(descriptor, to, count, offset));
    }

    @Override
    int write(long offset, MemorySegment from, int count) throws P9Error {
        return (int) P9Error.check(Beneath.write(descriptor, from, count, offset));
    }

    boolean isDirectory() {
        return (mode & OpenFlags.S_IFMT) == OpenFlags.S_IFDIR;
    }

    boolean isWritable() {
        return (flags & OpenFlags.O_ACCMODE) != OpenFlags.O_RDONLY;
    }

    /// A descriptor for locks. A lock for writing needs one that is open for writing, though flock(2) in the guest does
    /// not. All locks of a file are on the same descriptor, since they belong to it.
    ///
    /// @param readOnly whether the share is
    synchronized int locks(P9Scratch scratch, boolean readOnly) throws P9Error {
        if (isWritable() || readOnly || isDirectory()) {
            return descriptor;
        }
        if (locks == NONE) {
            int opened = descriptors.reopen(scratch, descriptor, OpenFlags.O_RDWR);
            locks = opened < 0 ? descriptor : opened;
        }
        return locks;
    }

    @Override
    void end() {
        descriptors.releaseFile();
        descriptors.close(descriptor);
        if (locks != NONE && locks != descriptor) {
            descriptors.close(locks);
        }
    }
}
