package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.Statx;

/// The requests on the status of a file and of its file system.
final class P9Attributes {
    /// `P9_STATS_BASIC`: everything but the time of creation, generation and data version.
    private static final long BASIC = 0x7ff;

    private static final long BTIME = 0x800;

    private static final int MODE = 0x1;
    private static final int UID = 0x2;
    private static final int GID = 0x4;
    private static final int SIZE = 0x8;
    private static final int ATIME = 0x10;
    private static final int MTIME = 0x20;
    private static final int CTIME = 0x40;
    private static final int ATIME_SET = 0x80;
    private static final int MTIME_SET = 0x100;
    private static final int KNOWN = 0x1ff;

    /// `UTIME_NOW` and `UTIME_OMIT` of utimensat(2).
    private static final long NOW = 0x3fff_ffff;

    private static final long OMIT = 0x3fff_fffe;

    private static final int MINOR_BITS = 8;
    private static final int MINOR_MASK = 0xff;
    private static final int MINOR_REST_SHIFT = 12;

    private final P9Session session;

    P9Attributes(P9Session session) {
        this.session = session;
    }

    /// Tgetattr: `fid[4] request_mask[8]`. The answer has everything that the host knows.
    void getattr(P9Scratch s) throws P9Error {
        P9Object file = session.fids().hold(s.in.u32());
        try {
            Statx status = session.status(s, file.descriptor(s));
            s.out.u64(status.born() == 0 ? BASIC : BASIC | BTIME);
            session.writeQid(s);
            s.out.u32(status.mode());
            s.out.u32(status.uid());
            s.out.u32(status.gid());
            s.out.u64(Integer.toUnsignedLong(status.links()));
            s.out.u64(deviceNumber(status.represented()));
            s.out.u64(status.size());
            s.out.u64(Integer.toUnsignedLong(status.blockSize()));
            s.out.u64(status.blocks());
            s.out.u64(status.accessed());
            s.out.u64(status.accessedNanos());
            s.out.u64(status.modified());
            s.out.u64(status.modifiedNanos());
            s.out.u64(status.changed());
            s.out.u64(status.changedNanos());
            s.out.u64(status.born());
            s.out.u64(status.bornNanos());
            s.out.u64(0);
            s.out.u64(0);
        } finally {
            session.fids().letGo(file);
        }
    }

    /// The number of a device in the form that the guest decodes (`new_encode_dev` in Linux's `kdev_t.h`).
    private static long deviceNumber(long pair) {
        long major = pair >>> Integer.SIZE;
        long minor = pair & 0xffff_ffffL;
        return (minor & MINOR_MASK)
                | (major << MINOR_BITS)
                | ((minor & ~MINOR_MASK) << MINOR_REST_SHIFT);
    }

    /// Tsetattr: `fid[4] valid[4] mode[4] uid[4] gid[4] size[8] atime_sec[8] atime_nsec[8] mtime_sec[8]
    /// mtime_nsec[8]`. The owner comes before the permissions, since the kernel takes set-user-id away with it.
    void setattr(P9Scratch s) throws P9Error {
        P9Object file = session.fids().hold(s.in.u32());
        try {
            int fd = file.descriptor(s);
            int valid = s.in.u32();
            int mode = s.in.u32();
            int uid = s.in.u32();
            int gid = s.in.u32();
            long size = s.in.u64();
            if ((valid & ~KNOWN) != 0) {
                throw P9Error.of(Errno.EINVAL);
            }
            if ((valid & (UID | GID | CTIME)) != 0) {
                session.credentials()
                        .changeOwner(
                                s,
                                fd,
                                (valid & UID) == 0 ? -1 : uid,
                                (valid & GID) == 0 ? -1 : gid);
            }
            if ((valid & SIZE) != 0) {
                size(s, file, fd, size);
            }
            if ((valid & MODE) != 0) {
                session.credentials().changeMode(s, fd, mode & P9Opens.PERMISSIONS);
            }
            if ((valid & (ATIME | MTIME)) != 0) {
                times(s, fd, valid);
            }
        } finally {
            session.fids().letGo(file);
        }
    }

    private static void size(P9Scratch s, P9Object file, int fd, long size) throws P9Error {
        boolean writable = file instanceof P9OpenFile open && open.isWritable();
        P9Error.check(writable ? Beneath.resize(fd, size) : s.files.changeSize(fd, size));
    }

    private static void times(P9Scratch s, int fd, int valid) throws P9Error {
        long accessed = s.in.u64();
        long accessedNanos = s.in.u64();
        long modified = s.in.u64();
        long modifiedNanos = s.in.u64();
        P9Error.check(
                s.files.changeTimes(
                        fd,
                        accessed,
                        nanos(valid, ATIME, ATIME_SET, accessedNanos),
                        modified,
                        nanos(valid, MTIME, MTIME_SET, modifiedNanos)));
    }

    private static long nanos(int valid, int changes, int set, long nanos) {
        if ((valid & changes) == 0) {
            return OMIT;
        }
        return (valid & set) == 0 ? NOW : nanos;
    }

    /// Tstatfs: `fid[4]`.
    void statfs(P9Scratch s) throws P9Error {
        P9Object file = session.fids().hold(s.in.u32());
        try {
            var status = s.fileSystem;
            P9Error.check(Beneath.fileSystem(file.descriptor(s), status));
            s.out.u32(status.type());
            s.out.u32((int) status.blockSize());
            s.out.u64(status.blocks());
            s.out.u64(status.blocksFree());
            s.out.u64(status.blocksAvailable());
            s.out.u64(status.files());
            s.out.u64(status.filesFree());
            s.out.u64(status.id());
            s.out.u32(status.nameLength());
        } finally {
            session.fids().letGo(file);
        }
    }
}
