package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.DirectoryEntries;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.file.Statx;
import java.lang.foreign.Arena;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One count of the names below a share's root, and of what their files take on the disk. Removed files that the guest
/// holds still take room, and count. It goes from directory to directory by descriptors and follows no link.
final class P9Count implements AutoCloseable {
    /// The deepest directory that is counted; each level holds a descriptor. The guest's own tools manage far less.
    private static final int DEPTH_MAX = 128;

    private static final int ENTRIES_BYTES = 8192;

    private static final Logger log = LoggerFactory.getLogger(P9Count.class);

    private final P9Session session;
    private final P9Scratch s = new P9Scratch();
    private final Arena arena = Arena.ofShared();
    private final @Nullable DirectoryEntries[] entries = new DirectoryEntries[DEPTH_MAX];

    /// Files that the guest has open: device and inode.
    private final Set<FileId> open = new HashSet<>();

    private long names;
    private long bytes;
    private byte @Nullable [] oldest;
    private long oldestTime;
    private int oldestNanos;

    private record FileId(long device, long inode) {}

    P9Count(P9Session session) {
        this.session = session;
    }

    /// Names below the root.
    long names() {
        return names;
    }

    /// Bytes on the disk.
    long bytes() {
        return bytes;
    }

    /// Counts.
    ///
    /// @throws P9Error ENOSPC if the tree is too deep; any error of a directory
    void run() throws P9Error {
        held();
        session.descriptors().lend();
        try {
            int root = P9Error.check(s.files.reopen(session.root(), OpenFlags.O_DIRECTORY));
            directory(root, 0);
        } finally {
            session.descriptors().giveBack();
        }
    }

    /// Notes the open files, and counts those that have no name any more.
    private void held() throws P9Error {
        List<P9Object> objects = session.fids().holdAll();
        Set<FileId> nameless = new HashSet<>();
        for (P9Object object : objects) {
            try {
                // An attribute's value is no file, and a parked place holds none.
                boolean isHeld =
                        object instanceof P9OpenFile
                                || (object instanceof P9Place place && !place.isParked());
                if (isHeld && s.files.status(object.descriptor(s), s.status) == 0) {
                    FileId id = new FileId(s.status.device(), s.status.inode());
                    if (object instanceof P9OpenFile) {
                        open.add(id);
                    }
                    if (s.status.links() == 0 && nameless.add(id)) {
                        bytes += s.status.taken();
                    }
                }
            } finally {
                session.fids().letGo(object);
            }
        }
    }

    /// Counts what is in a directory, and closes its descriptor.
    private void directory(int fd, int depth) throws P9Error {
        try {
            DirectoryEntries own = entries[depth];
            if (own == null) {
                own = new DirectoryEntries(arena, ENTRIES_BYTES);
                entries[depth] = own;
            }
            int filled = P9Error.check(Beneath.entries(fd, own, ENTRIES_BYTES));
            while (filled > 0) {
                while (own.next()) {
                    entry(fd, own, depth);
                }
                filled = P9Error.check(Beneath.entries(fd, own, ENTRIES_BYTES));
            }
        } finally {
            Beneath.close(fd);
        }
    }

    private void entry(int directory, DirectoryEntries own, int depth) throws P9Error {
        int length = own.nameLength();
        boolean dots = length <= 2 && own.name(0) == '.' && (length == 1 || own.name(1) == '.');
        if (dots) {
            return;
        }
        own.copyName(length, s.name, 0);
        s.name.set(JAVA_BYTE, length, (byte) 0);
        if (Beneath.statusOf(directory, s.name, s.status) < 0) {
            // It is gone meanwhile.
            return;
        }
        names++;
        long taken = s.status.taken();
        if (s.status.type() == OpenFlags.S_IFDIR) {
            bytes += taken;
            below(directory, depth + 1);
        } else {
            // A file with several names has its part at each.
            bytes += taken / Math.max(1, s.status.links());
            if (s.status.type() == OpenFlags.S_IFREG) {
                consider(directory);
            }
        }
    }

    private void below(int directory, int depth) throws P9Error {
        if (depth == DEPTH_MAX) {
            throw P9Error.of(Errno.ENOSPC);
        }
        session.descriptors().lend();
        try {
            int fd = s.files.open(directory, s.name, OpenFlags.O_DIRECTORY, 0);
            if (fd != -Errno.ENOENT && fd != -Errno.ENOTDIR && fd != -Errno.ELOOP) {
                directory(P9Error.check(fd), depth);
            }
        } finally {
            session.descriptors().giveBack();
        }
    }

    /// Notes the file of `scratch.name` if it is the oldest so far and the guest has not opened it.
    private void consider(int directory) {
        Statx status = s.status;
        boolean older =
                oldest == null
                        || status.modified() < oldestTime
                        || (status.modified() == oldestTime
                                && status.modifiedNanos() < oldestNanos);
        if (!older || open.contains(new FileId(status.device(), status.inode()))) {
            return;
        }
        long time = status.modified();
        int nanos = status.modifiedNanos();
        int fd = s.files.open(directory, s.name, OpenFlags.O_PATH, 0);
        if (fd < 0) {
            return;
        }
        try {
            int length = P9Paths.below(s, session.root(), fd);
            oldest = s.path.asSlice(0, length).toArray(JAVA_BYTE);
            oldestTime = time;
            oldestNanos = nanos;
        } catch (P9Error e) {
            log.debug("a file without a path below the share cannot be the oldest: {}", e.errno());
        } finally {
            Beneath.close(fd);
        }
    }

    /// Removes the oldest file that the guest has not opened.
    ///
    /// @return false if there is none
    boolean removeOldest() {
        byte[] path = oldest;
        if (path == null) {
            return false;
        }
        int slash = path.length - 1;
        while (slash >= 0 && path[slash] != '/') {
            slash--;
        }
        int length = path.length - slash - 1;
        P9Scratch.copy(path, slash + 1, length, s.name);
        if (slash < 0) {
            return Beneath.unlink(session.root(), s.name, 0) == 0;
        }
        P9Scratch.copy(path, 0, slash, s.otherPath);
        int parent =
                s.files.open(
                        session.root(), s.otherPath, OpenFlags.O_PATH | OpenFlags.O_DIRECTORY, 0);
        if (parent < 0) {
            return false;
        }
        try {
            return Beneath.unlink(parent, s.name, 0) == 0;
        } finally {
            Beneath.close(parent);
        }
    }

    @Override
    public void close() {
        s.close();
        arena.close();
    }
}
