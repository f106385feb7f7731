package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.DirectoryEntries;
import io.xenemu.kvm.file.OpenFlags;
import java.lang.foreign.MemorySegment;

/// The requests on the content of an open file or directory.
final class P9Contents {
    /// Bytes before the data in an answer.
    static final int DATA_AT = P9Reader.HEADER + Integer.BYTES;

    /// Bytes of a directory's entry beside its name: identity, position, type, length of the name.
    private static final int ENTRY_BYTES = 13 + 8 + 1 + 2;

    /// `DT_DIR` and so on are the type bits of a mode, shifted by this.
    private static final int TYPE_SHIFT = 12;

    /// `DT_REG`.
    private static final int REGULAR = OpenFlags.S_IFREG >> TYPE_SHIFT;

    private final P9Session session;

    P9Contents(P9Session session) {
        this.session = session;
    }

    /// Tread: `fid[4] offset[8] count[4]`.
    void read(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        long offset = s.in.u64();
        int count = bounded(s.in.u32(), s.limit - DATA_AT);
        P9Object object = session.fids().hold(fid);
        try {
            MemorySegment room = s.out.room(Integer.BYTES, count);
            int bytes = object.read(offset, room, count);
            s.out.u32(bytes);
            s.out.skip(bytes);
        } finally {
            session.fids().letGo(object);
        }
    }

    /// A guest's unsigned number, and at most `max`.
    private static int bounded(int count, int max) {
        return Integer.compareUnsigned(count, max) < 0 ? count : max;
    }

    /// Twrite: `fid[4] offset[8] count[4] data[count]`.
    void write(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        long offset = s.in.u64();
        int count = s.in.u32();
        MemorySegment data = s.in.data(count);
        P9Object object = session.fids().hold(fid);
        try {
            P9Usage usage = session.usage();
            s.out.u32(
                    usage.isLimited()
                            ? usage.write(s, object, offset, data, count)
                            : object.write(offset, data, count));
        } finally {
            session.fids().letGo(object);
        }
    }

    /// Treaddir: `fid[4] offset[8] count[4]`. The answer has whole entries only, and may have fewer bytes than
    /// asked for ([P9Limits#DIRECTORY_BYTES]).
    void readdir(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        long offset = s.in.u64();
        int most = Math.min(s.limit - DATA_AT, P9Limits.DIRECTORY_BYTES);
        int count = bounded(s.in.u32(), most);
        P9OpenFile file = session.holdOpen(fid);
        try {
            if (!file.isDirectory()) {
                throw P9Error.of(Errno.ENOTDIR);
            }
            synchronized (file) {
                entries(s, file, offset, count);
            }
        } finally {
            session.fids().letGo(file);
        }
    }

    private void entries(P9Scratch s, P9OpenFile file, long offset, int count) throws P9Error {
        int fd = file.descriptor();
        if (offset != file.position) {
            file.position = P9Error.check(Beneath.seek(fd, offset));
        }
        session.hostStatus(s, fd);
        long device = s.status.device();
        long own = s.status.inode();
        boolean isRoot = isRoot(s, device, own);
        int start = s.out.at() + Integer.BYTES;
        s.out.u32(0);
        while (more(s, file, start, start + count, device, isRoot ? own : 0)) {
            // Goes on while there is room.
        }
        s.out.patch32(start - Integer.BYTES, s.out.at() - start);
    }

    /// Reads and writes some entries.
    ///
    /// @return false at the end of the directory or of the room
    private boolean more(P9Scratch s, P9OpenFile file, int start, int end, long device, long above)
            throws P9Error {
        int fd = file.descriptor();
        int bytes = Beneath.entries(fd, s.entries, Math.max(end - s.out.at(), 1));
        if (bytes == -Errno.EINVAL && s.out.at() > start) {
            // The next record is larger than the rest of the room.
            return false;
        }
        if (P9Error.check(bytes) == 0) {
            return false;
        }
        while (s.entries.next()) {
            if (!entry(s, s.entries, end, device, above)) {
                // Records that were read and do not fit are read again.
                P9Error.check(Beneath.seek(fd, file.position));
                if (s.out.at() == start) {
                    throw P9Error.of(Errno.EINVAL);
                }
                return false;
            }
            file.position = s.entries.nextPosition();
        }
        return true;
    }

    private boolean isRoot(P9Scratch s, long device, long inode) throws P9Error {
        session.hostStatus(s, session.root());
        return s.status.device() == device && s.status.inode() == inode;
    }

    /// Writes one entry, if there is room.
    ///
    /// @param above the inode to give `..`, which is outside of the share above its root; 0 gives its own
    private boolean entry(P9Scratch s, DirectoryEntries entry, int end, long device, long above)
            throws P9Error {
        int length = entry.nameLength();
        if (end - s.out.at() < ENTRY_BYTES + length) {
            return false;
        }
        boolean up = length == 2 && entry.name(0) == '.' && entry.name(1) == '.';
        long inode = up && above != 0 ? above : entry.inode();
        // A regular file may be shown as another type: the guest asks.
        boolean isUnknown = entry.type() == REGULAR && session.credentials().isMapped();
        int type = isUnknown ? 0 : entry.type();
        s.out.qid(type << TYPE_SHIFT, session.qidPath(device, inode));
        s.out.u64(entry.nextPosition());
        s.out.u8(type);
        s.out.u16(length);
        entry.copyName(length, s.out.message(), s.out.at());
        s.out.skip(length);
        return true;
    }

    /// Tfsync: `fid[4] datasync[4]`.
    void fsync(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        boolean dataOnly = s.in.left() >= Integer.BYTES && s.in.u32() != 0;
        P9OpenFile file = session.holdOpen(fid);
        try {
            P9Error.check(Beneath.sync(file.descriptor(), dataOnly));
        } finally {
            session.fids().letGo(file);
        }
    }

    /// Treadlink: `fid[4]`.
    void readlink(P9Scratch s) throws P9Error {
        P9Place place = session.holdPlace(s.in.u32());
        try {
            if (place.type() != OpenFlags.S_IFLNK) {
                throw P9Error.of(Errno.EINVAL);
            }
            int fd = place.descriptor(s);
            int length = s.files.readSymlink(fd, s.path);
            if (length < 0 && session.credentials().isMapped()) {
                length = readMapped(s, fd);
            }
            P9Error.check(length);
            if (length == s.path.byteSize() || P9Reader.HEADER + 2 + length > s.limit) {
                throw P9Error.of(Errno.ENAMETOOLONG);
            }
            s.out.u16(length);
            s.out.bytes(s.path, length);
        } finally {
            session.fids().letGo(place);
        }
    }

    /// Reads the target of a link that is a regular file, into `scratch.path`.
    private int readMapped(P9Scratch s, int fd) throws P9Error {
        int opened = P9Error.check(session.descriptors().reopen(s, fd, OpenFlags.O_RDONLY));
        try {
            return (int) P9Error.check(Beneath.read(opened, s.path, s.path.byteSize(), 0));
        } finally {
            session.descriptors().close(opened);
        }
    }
}
