package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;

/// Gives each file of a share a number that is unique in it, though the share may have several file systems: the inode
/// number, and in its top byte the file system's place among those seen. Safe for any number of threads.
final class P9Qid {
    private static final int DIRECTORY = 0x80;
    private static final int SYMLINK = 0x02;

    /// File systems of one share: as many as a byte counts.
    private static final int DEVICES_MAX = 256;

    private static final int DEVICE_SHIFT = 56;

    private final long[] devices = new long[DEVICES_MAX];
    private int known;

    /// Whether the first file system needs the top byte itself.
    private boolean wide;

    /// The type byte of a file's mode.
    static int type(int mode) {
        return switch (mode & OpenFlags.S_IFMT) {
            case OpenFlags.S_IFDIR -> DIRECTORY;
            case OpenFlags.S_IFLNK -> SYMLINK;
            default -> 0;
        };
    }

    /// The number of a file.
    ///
    /// @throws P9Error EXDEV for one file system too many, or for a second one if one has inode numbers of more than 56
    ///     bits
    synchronized long path(long device, long inode) throws P9Error {
        int index = 0;
        while (index < known && devices[index] != device) {
            index++;
        }
        boolean isWide = inode >>> DEVICE_SHIFT != 0;
        wide |= isWide && index == 0;
        if (index == DEVICES_MAX || (index > 0 && (isWide || wide))) {
            throw P9Error.of(Errno.EXDEV);
        }
        if (index == known) {
            devices[known] = device;
            known++;
        }
        return inode ^ ((long) index << DEVICE_SHIFT);
    }
}
