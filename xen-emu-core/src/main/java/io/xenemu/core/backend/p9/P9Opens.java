package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.file.Statx;

/// The requests that open a file. Only regular files and directories are opened: to open a FIFO waits, and to open a
/// device has effects on the host (CVE-2023-2861).
final class P9Opens {
    /// Flags of a guest's open that reach the host. The others are advice, or do not fit our buffers (`O_DIRECT`).
    private static final int KEPT =
            OpenFlags.O_ACCMODE
                    | OpenFlags.O_TRUNC
                    | OpenFlags.O_APPEND
                    | OpenFlags.O_DSYNC
                    | OpenFlags.O_SYNC;

    static final int PERMISSIONS = 0xfff;

    /// How often a create tries again when the file comes and goes meanwhile.
    private static final int ATTEMPTS = 4;

    private final P9Session session;

    P9Opens(P9Session session) {
        this.session = session;
    }

    /// Tlopen: `fid[4] flags[4]`.
    void lopen(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        int flags = s.in.u32();
        P9Place place = session.holdPlace(fid);
        try {
            int opened = P9Error.check(open(s, place.descriptor(s), place.type(), flags));
            finish(s, fid, place, opened, flags);
        } finally {
            session.fids().letGo(place);
        }
    }

    /// Whether a guest's flags change the file, or let it be changed.
    static boolean writes(int flags) {
        return (flags & OpenFlags.O_ACCMODE) != OpenFlags.O_RDONLY
                || (flags & (OpenFlags.O_TRUNC | OpenFlags.O_CREAT)) != 0;
    }

    /// Opens a place's file, if it is of a type that is opened.
    private int open(P9Scratch s, int fd, int type, int flags) throws P9Error {
        boolean writing = (flags & OpenFlags.O_ACCMODE) != OpenFlags.O_RDONLY;
        return switch (type) {
            case OpenFlags.S_IFREG -> session.descriptors().reopen(s, fd, kept(flags));
            case OpenFlags.S_IFDIR -> {
                if (writing || (flags & OpenFlags.O_TRUNC) != 0) {
                    throw P9Error.of(Errno.EISDIR);
                }
                yield session.descriptors().reopen(s, fd, OpenFlags.O_DIRECTORY);
            }
            case OpenFlags.S_IFLNK -> throw P9Error.of(Errno.ELOOP);
            default -> throw P9Error.of(Errno.ENXIO);
        };
    }

    /// The flags with which the host opens a regular file.
    ///
    /// @throws P9Error EINVAL if the guest's have no access that it can have
    static int kept(int flags) throws P9Error {
        if ((flags & OpenFlags.O_ACCMODE) == OpenFlags.O_ACCMODE) {
            throw P9Error.of(Errno.EINVAL);
        }
        return (flags & KEPT) | OpenFlags.O_NOCTTY;
    }

    private void finish(P9Scratch s, int fid, P9Place place, int opened, int flags) throws P9Error {
        boolean done = false;
        boolean counted = false;
        try {
            session.descriptors().reserveFile();
            counted = true;
            Statx status = session.status(s, opened);
            session.writeQid(s);
            // The guest's own limit is the largest message.
            s.out.u32(0);
            session.fids()
                    .replace(
                            fid,
                            place,
                            new P9OpenFile(
                                    session.descriptors(),
                                    opened,
                                    flags,
                                    status.mode(),
                                    place.uid()));
            done = true;
        } finally {
            if (!done) {
                session.descriptors().close(opened);
            }
            if (counted && !done) {
                session.descriptors().releaseFile();
            }
        }
    }

    /// Tlcreate: `fid[4] name[s] flags[4] mode[4] gid[4]`. The fid, a directory, becomes the open file.
    void lcreate(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        P9Place directory = session.holdPlace(fid);
        try {
            int at = directory.descriptor(s);
            s.in.name(s.name);
            int flags = s.in.u32();
            int mode = s.in.u32() & PERMISSIONS;
            int gid = s.in.u32();
            int kept = kept(flags);
            int opened = -Errno.ENOENT;
            for (int i = 0; opened == -Errno.ENOENT && i < ATTEMPTS; i++) {
                opened = createOrOpen(s, at, flags, kept, mode, directory.uid(), gid);
            }
            finish(s, fid, directory, P9Error.check(opened), flags);
        } finally {
            session.fids().letGo(directory);
        }
    }

    /// Gives a new file to the guest. If that fails, there is no new file.
    private void give(P9Scratch s, int directory, int created, int mode, int uid, int gid)
            throws P9Error {
        boolean done = false;
        try {
            session.credentials().give(s, created, OpenFlags.S_IFREG | mode, uid, gid);
            done = true;
        } finally {
            if (!done) {
                session.descriptors().close(created);
                int _ = Beneath.unlink(directory, s.name, 0);
            }
        }
    }

    /// Creates the file of `scratch.name`. One that exists is opened only if its type allows that.
    private int createOrOpen(
            P9Scratch s, int directory, int flags, int kept, int mode, int uid, int gid)
            throws P9Error {
        P9Descriptors descriptors = session.descriptors();
        int created =
                descriptors.openAt(
                        s,
                        directory,
                        s.name,
                        kept | OpenFlags.O_CREAT | OpenFlags.O_EXCL,
                        session.credentials().hostMode(OpenFlags.S_IFREG | mode));
        if (created >= 0) {
            give(s, directory, created, mode, uid, gid);
            return created;
        }
        if (created != -Errno.EEXIST || (flags & OpenFlags.O_EXCL) != 0) {
            return created;
        }
        int place = descriptors.openAt(s, directory, s.name, OpenFlags.O_PATH, 0);
        if (place < 0) {
            return place;
        }
        try {
            return open(s, place, session.status(s, place).type(), flags);
        } finally {
            descriptors.close(place);
        }
    }
}
