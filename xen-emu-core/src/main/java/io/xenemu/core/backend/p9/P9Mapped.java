package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.file.Statx;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A file's owner, group, mode and device as extended attributes, with QEMU's names and forms (`mapped-xattr`): numbers
/// of 32 bits, and the device as 64 bits, little-endian. For one thread at a time.
final class P9Mapped {
    /// All names begin with it.
    static final String PREFIX = "user.virtfs.";

    /// `XATTR_SIZE` of a number; a value of another size is none.
    private static final int WORD = Integer.BYTES;

    private static final int MINOR_LOW = 0xff;
    private static final int MINOR_SHIFT = 12;
    private static final int MAJOR_LOW = 0xfff;
    private static final int MAJOR_SHIFT = 8;

    private final MemorySegment uid;
    private final MemorySegment gid;
    private final MemorySegment mode;
    private final MemorySegment device;
    private final MemorySegment word;
    private final MemorySegment twoWords;

    /// @param arena owns names and room for values
    P9Mapped(Arena arena) {
        uid = arena.allocateFrom(PREFIX + "uid");
        gid = arena.allocateFrom(PREFIX + "gid");
        mode = arena.allocateFrom(PREFIX + "mode");
        device = arena.allocateFrom(PREFIX + "rdev");
        word = arena.allocate(JAVA_INT);
        twoWords = arena.allocate(JAVA_LONG);
    }

    /// Changes a status to what the attributes say. Only a regular file can be shown as another type; other files of
    /// the host have no such attributes.
    void show(Beneath files, int fd, Statx status) {
        int type = status.type();
        if (type != OpenFlags.S_IFREG && type != OpenFlags.S_IFDIR) {
            return;
        }
        int shown = number(files, fd, mode, status.mode());
        if (type == OpenFlags.S_IFREG && isType(shown & OpenFlags.S_IFMT)) {
            type = shown & OpenFlags.S_IFMT;
        }
        status.show(
                number(files, fd, uid, status.uid()),
                number(files, fd, gid, status.gid()),
                type | (shown & P9Opens.PERMISSIONS));
        boolean isDevice = type == OpenFlags.S_IFCHR || type == OpenFlags.S_IFBLK;
        if (isDevice && files.readAttribute(fd, device, twoWords) == Long.BYTES) {
            long number = twoWords.get(JAVA_LONG, 0);
            status.showRepresented(major(number), minor(number));
        }
    }

    private static boolean isType(int type) {
        return switch (type) {
            case OpenFlags.S_IFIFO,
                    OpenFlags.S_IFCHR,
                    OpenFlags.S_IFBLK,
                    OpenFlags.S_IFREG,
                    OpenFlags.S_IFLNK,
                    OpenFlags.S_IFSOCK ->
                    true;
            default -> false;
        };
    }

    private int number(Beneath files, int fd, MemorySegment name, int otherwise) {
        return files.readAttribute(fd, name, word) == WORD ? word.get(JAVA_INT, 0) : otherwise;
    }

    private void set(Beneath files, int fd, MemorySegment name, int value) throws P9Error {
        word.set(JAVA_INT, 0, value);
        P9Error.check(files.writeAttribute(fd, name, word, 0));
    }

    /// Sets owner and group.
    ///
    /// @param owner -1 leaves it
    /// @param group -1 leaves it
    void setOwner(Beneath files, int fd, int owner, int group) throws P9Error {
        if (owner != -1) {
            set(files, fd, uid, owner);
        }
        if (group != -1) {
            set(files, fd, gid, group);
        }
    }

    /// Sets type and permissions.
    void setMode(Beneath files, int fd, int value) throws P9Error {
        set(files, fd, mode, value);
    }

    /// Sets the device that the file is shown to stand for.
    void setDevice(Beneath files, int fd, int major, int minor) throws P9Error {
        twoWords.set(JAVA_LONG, 0, device(major, minor));
        P9Error.check(files.writeAttribute(fd, device, twoWords, 0));
    }

    /// The C library's 64-bit form (`sys/sysmacros.h`).
    private static long device(int major, int minor) {
        long high = Integer.toUnsignedLong(major & ~MAJOR_LOW) << Integer.SIZE;
        long middle = Integer.toUnsignedLong(minor & ~MINOR_LOW) << MINOR_SHIFT;
        return high | middle | (long) (major & MAJOR_LOW) << MAJOR_SHIFT | (minor & MINOR_LOW);
    }

    private static int major(long device) {
        int low = (int) (device >>> MAJOR_SHIFT) & MAJOR_LOW;
        int high = (int) (device >>> Integer.SIZE) & ~MAJOR_LOW;
        return low | high;
    }

    private static int minor(long device) {
        int low = (int) device & MINOR_LOW;
        int high = (int) (device >>> MINOR_SHIFT) & ~MINOR_LOW;
        return low | high;
    }
}
