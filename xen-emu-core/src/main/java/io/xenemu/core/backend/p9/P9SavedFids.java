package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.google.common.primitives.Bytes;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.file.Statx;
import java.util.ArrayList;
import java.util.List;

/// Takes the state of a guest's fids, and makes the fids again from it: each file is opened by its path below the root,
/// and compared. A file that is not there, or is another one, is ESTALE on its fid alone. No request runs.
final class P9SavedFids {
    /// Bytes of all paths and values of a state; fids beyond are ESTALE. A mounted share keeps its guest from being
    /// saved, and what is left after the end of a mount is little.
    private static final int BYTES_MAX = 1 << 20;

    private final P9Session session;
    private final P9Scratch s;

    /// @param scratch for this thread
    P9SavedFids(P9Session session, P9Scratch scratch) {
        this.session = session;
        s = scratch;
    }

    /// The state of all fids.
    List<P9State.Fid> save() {
        List<P9State.Fid> saved = new ArrayList<>();
        int left = BYTES_MAX;
        for (P9Fids.Numbered one : session.fids().numbered()) {
            P9Object object = one.object();
            P9Object of = object instanceof P9Attribute value ? value.file() : object;
            P9State.File file = of == null ? P9State.File.NONE : file(of);
            P9State.Use use = use(object);
            left -= bytes(file, use);
            boolean fits = left >= 0;
            saved.add(
                    new P9State.Fid(
                            one.fid(),
                            one.isRoot(),
                            object.uid(),
                            fits ? file : P9State.File.NONE,
                            fits ? use : new P9State.Use.Place()));
        }
        return saved;
    }

    private static int bytes(P9State.File file, P9State.Use use) {
        List<Byte> path = file.path();
        int value =
                switch (use) {
                    case P9State.Use.Place _, P9State.Use.Open _, P9State.Use.Handed _ -> 0;
                    case P9State.Use.Value(List<Byte> all) -> all.size();
                    case P9State.Use.Setting setting -> setting.written().size();
                };
        return value + (path == null ? 0 : path.size());
    }

    private static P9State.Use use(P9Object object) {
        return switch (object) {
            case P9Place _, P9Stale _ -> new P9State.Use.Place();
            case P9OpenFile file -> new P9State.Use.Open(file.flags());
            case P9Attribute attribute -> {
                P9Object file = attribute.file();
                yield attribute.state(file == null ? null : use(file));
            }
        };
    }

    /// A file's path and identity. A file that has no path that leads to it, such as a removed one, has none.
    private P9State.File file(P9Object object) {
        try {
            int fd = object.descriptor(s);
            Statx status = session.hostStatus(s, fd);
            long inode = status.inode();
            long device = status.device();
            long born = status.born();
            int nanos = status.bornNanos();
            long qid = session.qidPath(device, inode);
            int length = P9Paths.below(s, session.root(), fd);
            List<Byte> path = Bytes.asList(s.path.asSlice(0, length).toArray(JAVA_BYTE));
            int found = open(path);
            try {
                session.hostStatus(s, found);
                boolean isSame = s.status.inode() == inode && s.status.device() == device;
                return isSame ? new P9State.File(path, inode, born, nanos, qid) : P9State.File.NONE;
            } finally {
                session.descriptors().close(found);
            }
        } catch (P9Error e) {
            return P9State.File.NONE;
        }
    }

    /// Opens a place below the root, or the root itself.
    private int open(List<Byte> path) throws P9Error {
        P9Descriptors descriptors = session.descriptors();
        if (path.isEmpty()) {
            return P9Error.check(descriptors.reopen(s, session.root(), OpenFlags.O_PATH));
        }
        P9Scratch.copy(Bytes.toArray(path), 0, path.size(), s.otherPath);
        return P9Error.check(descriptors.open(s, s.otherPath));
    }

    /// Makes the fids again.
    ///
    /// @return how many are ESTALE from now on
    int restore(List<P9State.Fid> saved) {
        int stale = 0;
        for (P9State.Fid fid : saved) {
            P9Object object = object(fid);
            stale += object instanceof P9Stale ? 1 : 0;
            try {
                session.fids().add(fid.fid(), object, fid.isRoot());
            } catch (P9Error e) {
                // The same number twice: the state is wrong, and the first one counts.
                session.fids().drop(object);
            }
        }
        return stale;
    }

    private P9Object object(P9State.Fid fid) {
        try {
            return object(fid, fid.use());
        } catch (P9Error e) {
            return new P9Stale(fid.uid());
        }
    }

    private P9Object object(P9State.Fid fid, P9State.Use use) throws P9Error {
        return switch (use) {
            case P9State.Use.Place() -> place(fid);
            case P9State.Use.Open(int flags) -> openFile(fid, flags);
            case P9State.Use.Handed _ -> throw P9Error.of(Errno.ESTALE);
            case P9State.Use.Value(List<Byte> value) -> {
                session.descriptors().reserveAttribute();
                yield P9Attribute.read(session.descriptors(), Bytes.toArray(value), fid.uid());
            }
            case P9State.Use.Setting setting -> {
                P9Object file = object(fid, setting.of());
                try {
                    session.descriptors().reserveAttribute();
                } catch (P9Error e) {
                    session.fids().drop(file);
                    throw e;
                }
                yield P9Attribute.restored(
                        session.descriptors(), setting, session.fids().keep(file));
            }
        };
    }

    private P9Place place(P9State.Fid fid) throws P9Error {
        int fd = same(fid.file());
        return new P9Place(session.descriptors(), fd, s.status, fid.uid());
    }

    private P9OpenFile openFile(P9State.Fid fid, int flags) throws P9Error {
        P9Descriptors descriptors = session.descriptors();
        int place = same(fid.file());
        int type = s.status.type();
        int mode = s.status.mode();
        try {
            // The file may be another type's on this host, whatever its inode.
            int kept =
                    switch (type) {
                        case OpenFlags.S_IFREG -> P9Opens.kept(flags) & ~OpenFlags.O_TRUNC;
                        case OpenFlags.S_IFDIR -> OpenFlags.O_DIRECTORY;
                        default -> throw P9Error.of(Errno.ESTALE);
                    };
            if (session.isReadOnly() && P9Opens.writes(kept)) {
                throw P9Error.of(Errno.EROFS);
            }
            descriptors.reserveFile();
            int opened = descriptors.reopen(s, place, kept);
            if (opened < 0) {
                descriptors.releaseFile();
                throw P9Error.of(-opened);
            }
            return new P9OpenFile(descriptors, opened, flags, mode, fid.uid());
        } finally {
            descriptors.close(place);
        }
    }

    /// Opens the place of a file, whose status is then in `scratch.status`.
    ///
    /// @throws P9Error ESTALE if it is another file
    private int same(P9State.File file) throws P9Error {
        List<Byte> path = path(file);
        int fd = open(path);
        boolean done = false;
        try {
            Statx status = session.status(s, fd);
            boolean hasBirth = file.born() != 0 && status.born() != 0;
            boolean isOther =
                    status.inode() != file.inode()
                            || (hasBirth
                                    && (status.born() != file.born()
                                            || status.bornNanos() != file.bornNanos()));
            if (isOther) {
                throw P9Error.of(Errno.ESTALE);
            }
            session.restoreQid(status, file.qid());
            done = true;
            return fd;
        } finally {
            if (!done) {
                session.descriptors().close(fd);
            }
        }
    }

    private static List<Byte> path(P9State.File file) throws P9Error {
        List<Byte> path = file.path();
        if (path == null) {
            throw P9Error.of(Errno.ESTALE);
        }
        return path;
    }
}
