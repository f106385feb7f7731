package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;

/// The requests that make and drop fids: attach, walk, clunk.
final class P9Walks {
    /// The most names of one walk (`P9_MAXWELEM`).
    private static final int NAMES_MAX = 16;

    /// Bytes before the identities in an answer to a walk.
    private static final int COUNT_AT = P9Reader.HEADER;

    private final P9Session session;

    P9Walks(P9Session session) {
        this.session = session;
    }

    /// Tattach: `fid[4] afid[4] uname[s] aname[s] n_uname[4]`. The tree is the share's: `aname` is empty or `/`.
    void attach(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        s.in.u32();
        s.in.skipString();
        int length = s.in.string(s.path, P9Scratch.PATH_MAX - 1);
        if (length > 1 || (length == 1 && s.path.get(JAVA_BYTE, 0) != '/')) {
            throw P9Error.of(Errno.ENOENT);
        }
        int uid = s.in.left() >= Integer.BYTES ? s.in.u32() : -1;
        int fd =
                P9Error.check(
                        session.descriptors()
                                .reopen(
                                        s,
                                        session.root(),
                                        OpenFlags.O_PATH | OpenFlags.O_DIRECTORY));
        name(s, fid, fd, uid, true);
    }

    /// Gives a new descriptor's file a number, and writes its identity.
    private void name(P9Scratch s, int fid, int fd, int uid, boolean root) throws P9Error {
        boolean done = false;
        try {
            session.status(s, fd);
            session.writeQid(s);
            session.fids().add(fid, new P9Place(session.descriptors(), fd, s.status, uid), root);
            done = true;
        } finally {
            if (!done) {
                session.descriptors().close(fd);
            }
        }
    }

    /// Twalk: `fid[4] newfid[4] nwname[2] nwname*(wname[s])`. Each name is one step below the directory before it. If a
    /// step after the first fails, the answer has the steps before, and there is no new fid.
    void walk(P9Scratch s) throws P9Error {
        int fid = s.in.u32();
        int newFid = s.in.u32();
        int names = s.in.u16();
        if (names > NAMES_MAX) {
            throw P9Error.of(Errno.EINVAL);
        }
        P9Object from = session.fids().hold(fid);
        try {
            s.out.u16(0);
            if (names == 0) {
                copy(s, fid, newFid, from);
            } else {
                steps(s, fid, newFid, from, names);
            }
        } finally {
            session.fids().letGo(from);
        }
    }

    /// A second number for a file that is not open names the same object. An open file's new number is not open.
    private void copy(P9Scratch s, int fid, int newFid, P9Object from) throws P9Error {
        if (from instanceof P9Place place) {
            if (newFid != fid) {
                session.fids().add(newFid, place, false);
            }
            return;
        }
        if (newFid == fid) {
            return;
        }
        int fd = from.descriptor(s);
        session.status(s, fd);
        int place = P9Error.check(session.descriptors().reopen(s, fd, OpenFlags.O_PATH));
        finish(s, fid, newFid, from, place);
    }

    private void steps(P9Scratch s, int fid, int newFid, P9Object from, int names) throws P9Error {
        P9Descriptors descriptors = session.descriptors();
        int start = from.descriptor(s);
        int at = start;
        int done = 0;
        try {
            while (done < names) {
                int next = step(s, at);
                if (at != start) {
                    descriptors.close(at);
                }
                at = next;
                done++;
            }
        } catch (P9Error e) {
            if (at != start) {
                descriptors.close(at);
            }
            if (done == 0) {
                throw e;
            }
            s.out.patch16(COUNT_AT, done);
            return;
        }
        s.out.patch16(COUNT_AT, done);
        finish(s, fid, newFid, from, at);
    }

    /// Opens the next name below a directory as a place, and writes its identity.
    private int step(P9Scratch s, int directory) throws P9Error {
        s.in.name(s.name);
        int next =
                P9Error.check(
                        session.descriptors().openAt(s, directory, s.name, OpenFlags.O_PATH, 0));
        boolean done = false;
        try {
            session.status(s, next);
            session.writeQid(s);
            done = true;
        } finally {
            if (!done) {
                session.descriptors().close(next);
            }
        }
        return next;
    }

    /// Gives the walk's end a number; its status is in `scratch.status`.
    private void finish(P9Scratch s, int fid, int newFid, P9Object from, int fd) throws P9Error {
        boolean done = false;
        try {
            P9Place place = new P9Place(session.descriptors(), fd, s.status, from.uid());
            if (newFid == fid) {
                session.fids().replace(fid, from, place);
            } else {
                session.fids().add(newFid, place, false);
            }
            done = true;
        } finally {
            if (!done) {
                session.descriptors().close(fd);
            }
        }
    }

    /// Tclunk: `fid[4]`. The fid is gone, whatever the answer is. An extended attribute is set now.
    void clunk(P9Scratch s) throws P9Error {
        P9Object object = session.fids().remove(s.in.u32());
        try {
            if (object instanceof P9Attribute attribute && session.fids().isNameless(attribute)) {
                attribute.set(s);
            }
        } finally {
            session.fids().letGo(object);
        }
    }
}
