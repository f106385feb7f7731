package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.US_ASCII;

import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;

/// The requests on extended attributes. A guest sees and sets those of the class `user` alone: the others mean
/// something to the host's kernel, such as rights of programs.
final class P9ExtendedAttributes {
    private static final byte[] CLASS = "user.".getBytes(US_ASCII);
    private static final byte[] OWN = P9Mapped.PREFIX.getBytes(US_ASCII);

    /// `XATTR_CREATE | XATTR_REPLACE`.
    private static final int FLAGS = 3;

    private final P9Session session;

    P9ExtendedAttributes(P9Session session) {
        this.session = session;
    }

    /// Txattrwalk: `fid[4] newfid[4] name[s]`. The new fid has the value, or without a name the list of names.
    void walk(P9Scratch s) throws P9Error {
        P9Object file = session.fids().hold(s.in.u32());
        try {
            int newFid = s.in.u32();
            int fd = file.descriptor(s);
            int length = s.in.string(s.name, P9Reader.NAME_MAX);
            session.descriptors().reserveAttribute();
            boolean done = false;
            try {
                byte[] value = length == 0 ? names(s, fd) : value(s, fd, length);
                session.fids()
                        .add(
                                newFid,
                                P9Attribute.read(session.descriptors(), value, file.uid()),
                                false);
                s.out.u64(value.length);
                done = true;
            } finally {
                if (!done) {
                    session.descriptors().releaseAttribute();
                }
            }
        } finally {
            session.fids().letGo(file);
        }
    }

    private byte[] value(P9Scratch s, int fd, int length) throws P9Error {
        checkName(s.name, 0, length, Errno.ENODATA);
        MemorySegment room = s.attribute();
        int bytes = P9Error.check(s.files.readAttribute(fd, s.name, room));
        return room.asSlice(0, bytes).toArray(JAVA_BYTE);
    }

    /// The names of the class that a guest sees, each with its end.
    private byte[] names(P9Scratch s, int fd) throws P9Error {
        MemorySegment room = s.attribute();
        int bytes = P9Error.check(s.files.listAttributes(fd, room));
        int kept = 0;
        int at = 0;
        while (at < bytes) {
            int end = at;
            while (end < bytes && room.get(JAVA_BYTE, end) != 0) {
                end++;
            }
            int length = end + 1 - at;
            if (begins(room, at, length, CLASS) && !isHidden(room, at, length)) {
                MemorySegment.copy(room, at, room, kept, length);
                kept += length;
            }
            at = end + 1;
        }
        return room.asSlice(0, kept).toArray(JAVA_BYTE);
    }

    /// @param hidden the error for an attribute of the share's own
    private void checkName(MemorySegment name, int at, int length, int hidden) throws P9Error {
        if (!begins(name, at, length, CLASS)) {
            throw P9Error.of(Errno.EOPNOTSUPP);
        }
        if (isHidden(name, at, length)) {
            throw P9Error.of(hidden);
        }
    }

    /// Whether the share keeps owners and permissions in an attribute.
    private boolean isHidden(MemorySegment name, int at, int length) {
        return session.credentials().isMapped() && begins(name, at, length, OWN);
    }

    private static boolean begins(MemorySegment name, int at, int length, byte[] with) {
        boolean same = length > with.length;
        for (int i = 0; same && i < with.length; i++) {
            same = name.get(JAVA_BYTE, (long) at + i) == with[i];
        }
        return same;
    }

    /// Txattrcreate: `fid[4] name[s] attr_size[8] flags[4]`. The fid takes the value by writes; its clunk sets it.
    void create(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        P9Object file = session.fids().hold(fid);
        // The attribute keeps this hold.
        boolean done = false;
        try {
            int length = s.in.string(s.name, P9Reader.NAME_MAX);
            checkName(s.name, 0, length, Errno.EACCES);
            long size = s.in.u64();
            int flags = s.in.u32();
            if (size < 0 || size > P9Limits.ATTRIBUTE_BYTES) {
                throw P9Error.of(Errno.E2BIG);
            }
            if ((flags & ~FLAGS) != 0 || file instanceof P9Attribute) {
                throw P9Error.of(Errno.EINVAL);
            }
            session.descriptors().reserveAttribute();
            byte[] name = s.name.asSlice(0, length + 1L).toArray(JAVA_BYTE);
            try {
                session.fids()
                        .replace(
                                fid,
                                file,
                                P9Attribute.written(
                                        session.descriptors(), (int) size, name, flags, file));
                done = true;
            } finally {
                if (!done) {
                    session.descriptors().releaseAttribute();
                }
            }
        } finally {
            if (!done) {
                session.fids().letGo(file);
            }
        }
    }
}
