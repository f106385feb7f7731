package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.OpenFlags;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// The requests that make, rename and remove names. Each works on one name below the descriptor of a directory, and
/// none follows a symbolic link under that name (CVE-2016-9602).
final class P9Names {
    /// Permissions of every symbolic link.
    private static final int LINK_PERMISSIONS = 0x1ff;

    private final P9Session session;
    private final P9Descriptors descriptors;
    private final P9Credentials credentials;

    P9Names(P9Session session) {
        this.session = session;
        descriptors = session.descriptors();
        credentials = session.credentials();
    }

    /// Tmkdir: `dfid[4] name[s] mode[4] gid[4]`.
    void mkdir(P9Scratch s) throws P9Error {
        P9Place directory = session.holdPlace(s.in.u32());
        try {
            int at = directory.descriptor(s);
            s.in.name(s.name);
            int mode = OpenFlags.S_IFDIR | (s.in.u32() & P9Opens.PERMISSIONS);
            int gid = s.in.u32();
            P9Error.check(Beneath.makeDirectory(at, s.name, credentials.hostMode(mode)));
            made(s, at, mode, directory.uid(), gid);
        } finally {
            session.fids().letGo(directory);
        }
    }

    /// Tmknod: `dfid[4] name[s] mode[4] major[4] minor[4] gid[4]`. Makes regular files, FIFOs and sockets; a device
    /// node would be one of the host's devices. With the model `mapped` all of these are regular files, and device
    /// nodes too.
    void mknod(P9Scratch s) throws P9Error {
        P9Place directory = session.holdPlace(s.in.u32());
        try {
            int at = directory.descriptor(s);
            s.in.name(s.name);
            int asked = s.in.u32();
            s.major = s.in.u32();
            s.minor = s.in.u32();
            int gid = s.in.u32();
            int type =
                    switch (asked & OpenFlags.S_IFMT) {
                        case 0, OpenFlags.S_IFREG -> OpenFlags.S_IFREG;
                        case OpenFlags.S_IFIFO -> OpenFlags.S_IFIFO;
                        case OpenFlags.S_IFSOCK -> OpenFlags.S_IFSOCK;
                        case OpenFlags.S_IFCHR -> deviceType(OpenFlags.S_IFCHR);
                        case OpenFlags.S_IFBLK -> deviceType(OpenFlags.S_IFBLK);
                        default -> throw P9Error.of(Errno.EPERM);
                    };
            int mode = type | (asked & P9Opens.PERMISSIONS);
            int hostType = credentials.isMapped() ? OpenFlags.S_IFREG : type;
            P9Error.check(Beneath.makeNode(at, s.name, hostType | credentials.hostMode(mode)));
            made(s, at, mode, directory.uid(), gid);
        } finally {
            session.fids().letGo(directory);
        }
    }

    private int deviceType(int type) throws P9Error {
        if (!credentials.isMapped()) {
            throw P9Error.of(Errno.EPERM);
        }
        return type;
    }

    /// Tsymlink: `dfid[4] name[s] symtgt[s] gid[4]`. The target is text for the guest: the service never follows it.
    void symlink(P9Scratch s) throws P9Error {
        P9Place directory = session.holdPlace(s.in.u32());
        try {
            int at = directory.descriptor(s);
            s.in.name(s.name);
            int length = s.in.string(s.path, P9Scratch.PATH_MAX - 1);
            int gid = s.in.u32();
            if (credentials.isMapped()) {
                makeMappedSymlink(s, at, length);
            } else {
                P9Error.check(Beneath.makeSymlink(s.path, at, s.name));
            }
            made(s, at, OpenFlags.S_IFLNK | LINK_PERMISSIONS, directory.uid(), gid);
        } finally {
            session.fids().letGo(directory);
        }
    }

    /// Makes a file with the target of a symbolic link, which is in `scratch.path`.
    private void makeMappedSymlink(P9Scratch s, int directory, int length) throws P9Error {
        int flags = OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_EXCL;
        int fd =
                P9Error.check(
                        descriptors.openAt(
                                s,
                                directory,
                                s.name,
                                flags,
                                credentials.hostMode(OpenFlags.S_IFLNK)));
        boolean done = false;
        try {
            done = P9Error.check(Beneath.write(fd, s.path, length, 0)) == length;
            if (!done) {
                throw P9Error.of(Errno.ENOSPC);
            }
        } finally {
            descriptors.close(fd);
            if (!done) {
                int _ = Beneath.unlink(directory, s.name, 0);
            }
        }
    }

    /// Gives the new file of `scratch.name` its owner, and writes its identity. If the owner is refused, there is no
    /// new file.
    ///
    /// @param mode type and permissions
    private void made(P9Scratch s, int directory, int mode, int uid, int gid) throws P9Error {
        boolean isDirectory = (mode & OpenFlags.S_IFMT) == OpenFlags.S_IFDIR;
        int flags = isDirectory ? OpenFlags.O_PATH | OpenFlags.O_DIRECTORY : OpenFlags.O_PATH;
        int fd = P9Error.check(descriptors.openAt(s, directory, s.name, flags, 0));
        boolean done = false;
        try {
            credentials.give(s, fd, mode, uid, gid);
            done = true;
            session.status(s, fd);
            session.writeQid(s);
        } finally {
            descriptors.close(fd);
            if (!done) {
                int _ = Beneath.unlink(directory, s.name, isDirectory ? OpenFlags.AT_REMOVEDIR : 0);
            }
        }
    }

    /// Tlink: `dfid[4] fid[4] name[s]`.
    void link(P9Scratch s) throws P9Error {
        P9Place directory = session.holdPlace(s.in.u32());
        try {
            P9Object file = session.fids().hold(s.in.u32());
            try {
                int at = directory.descriptor(s);
                int fd = file.descriptor(s);
                s.in.name(s.name);
                P9Error.check(s.files.makeLink(fd, at, s.name));
            } finally {
                session.fids().letGo(file);
            }
        } finally {
            session.fids().letGo(directory);
        }
    }

    /// Tunlinkat: `dirfd[4] name[s] flags[4]`.
    void unlinkat(P9Scratch s) throws P9Error {
        P9Place directory = session.holdPlace(s.in.u32());
        try {
            int at = directory.descriptor(s);
            s.in.name(s.name);
            int flags = s.in.u32();
            if ((flags & ~OpenFlags.AT_REMOVEDIR) != 0) {
                throw P9Error.of(Errno.EINVAL);
            }
            P9Error.check(Beneath.unlink(at, s.name, flags));
        } finally {
            session.fids().letGo(directory);
        }
    }

    /// Tremove: `fid[4]`. The fid is gone, whatever the answer is.
    void remove(P9Scratch s) throws P9Error {
        P9Object file = session.fids().remove(s.in.u32());
        try {
            boolean isDirectory = locatedIsDirectory(s, file);
            int parent = parent(s);
            try {
                P9Error.check(
                        Beneath.unlink(
                                parent, s.otherName, isDirectory ? OpenFlags.AT_REMOVEDIR : 0));
            } finally {
                descriptors.close(parent);
            }
        } finally {
            session.fids().letGo(file);
        }
    }

    /// Trenameat: `olddirfid[4] oldname[s] newdirfid[4] newname[s]`.
    void renameat(P9Scratch s) throws P9Error {
        P9Place from = session.holdPlace(s.in.u32());
        try {
            s.in.name(s.otherName);
            P9Place to = session.holdPlace(s.in.u32());
            try {
                s.in.name(s.name);
                rename(s, from.descriptor(s), to.descriptor(s));
            } finally {
                session.fids().letGo(to);
            }
        } finally {
            session.fids().letGo(from);
        }
    }

    /// Trename: `fid[4] dfid[4] name[s]`.
    void rename(P9Scratch s) throws P9Error {
        P9Object file = session.fids().hold(s.in.u32());
        try {
            P9Place to = session.holdPlace(s.in.u32());
            try {
                s.in.name(s.name);
                int into = to.descriptor(s);
                locatedIsDirectory(s, file);
                int parent = parent(s);
                try {
                    rename(s, parent, into);
                } finally {
                    descriptors.close(parent);
                }
            } finally {
                session.fids().letGo(to);
            }
        } finally {
            session.fids().letGo(file);
        }
    }

    /// Renames `scratch.otherName` in one directory to `scratch.name` in another.
    private void rename(P9Scratch s, int from, int to) throws P9Error {
        boolean parked = session.fids().beginRename();
        byte[] before = null;
        byte[] after = null;
        try {
            byte[] oldPath = parked ? path(s, from, s.otherName) : null;
            byte[] newPath = parked ? path(s, to, s.name) : null;
            P9Error.check(Beneath.rename(from, s.otherName, to, s.name));
            before = oldPath;
            after = newPath;
        } finally {
            session.fids().endRename(before, after);
        }
    }

    /// The path of a name below the share's root; null if the directory has none.
    private byte @Nullable [] path(P9Scratch s, int directory, MemorySegment name) {
        try {
            int length = P9Paths.below(s, session.root(), directory);
            String folder =
                    length == 0
                            ? ""
                            : new String(s.path.asSlice(0, length).toArray(JAVA_BYTE), ISO_8859_1)
                                    + "/";
            return (folder + name.getString(0, ISO_8859_1)).getBytes(ISO_8859_1);
        } catch (P9Error e) {
            return null;
        }
    }

    /// Finds the name of an object's file: the path of its directory is then in `scratch.otherPath`, as a C string, and
    /// its name there in `scratch.otherName`. The name is that of this very file.
    private boolean locatedIsDirectory(P9Scratch s, P9Object file) throws P9Error {
        int fd = file.descriptor(s);
        int length = P9Paths.below(s, session.root(), fd);
        if (length == 0) {
            throw P9Error.of(Errno.EBUSY);
        }
        int slash = length - 1;
        while (slash >= 0 && s.path.get(JAVA_BYTE, slash) != '/') {
            slash--;
        }
        int name = length - slash - 1;
        if (name > P9Reader.NAME_MAX) {
            throw P9Error.of(Errno.ENOENT);
        }
        MemorySegment.copy(s.path, slash + 1L, s.otherName, 0, name);
        s.otherName.set(JAVA_BYTE, name, (byte) 0);
        MemorySegment.copy(s.path, 0, s.otherPath, 0, length);
        s.otherPath.set(JAVA_BYTE, length, (byte) 0);
        int same = P9Error.check(descriptors.open(s, s.otherPath));
        try {
            long device = session.hostStatus(s, fd).device();
            long inode = s.status.inode();
            session.hostStatus(s, same);
            if (s.status.device() != device || s.status.inode() != inode) {
                throw P9Error.of(Errno.ENOENT);
            }
            s.otherPath.set(JAVA_BYTE, Math.max(slash, 0), (byte) 0);
            return s.status.type() == OpenFlags.S_IFDIR;
        } finally {
            descriptors.close(same);
        }
    }

    /// Opens the directory of `scratch.otherPath`.
    private int parent(P9Scratch s) throws P9Error {
        int flags = OpenFlags.O_PATH | OpenFlags.O_DIRECTORY;
        boolean isRoot = s.otherPath.get(JAVA_BYTE, 0) == 0;
        return P9Error.check(
                isRoot
                        ? descriptors.reopen(s, session.root(), flags)
                        : descriptors.openAt(s, session.root(), s.otherPath, flags, 0));
    }
}
