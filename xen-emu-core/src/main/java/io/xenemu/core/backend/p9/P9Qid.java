package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import java.util.ArrayList;
import java.util.List;

/// Gives each file of a share a number that is unique in it, though the share may have several file systems: the inode
/// number, and in its top byte the file system's place among those seen. Safe for any number of threads.
final class P9Qid {
    private static final int DIRECTORY = 0x80;
    private static final int SYMLINK = 0x02;

    /// File systems of one share: as many as a byte counts.
    static final int DEVICES_MAX = 256;

    private static final int DEVICE_SHIFT = 56;

    private final long[] devices = new long[DEVICES_MAX];

    /// Which places of `devices` are taken.
    private final boolean[] taken = new boolean[DEVICES_MAX];

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
        int index = find(device);
        boolean isWide = inode >>> DEVICE_SHIFT != 0;
        wide |= isWide && index == 0;
        if (index == DEVICES_MAX || (index > 0 && (isWide || wide))) {
            throw P9Error.of(Errno.EXDEV);
        }
        devices[index] = device;
        taken[index] = true;
        return inode ^ ((long) index << DEVICE_SHIFT);
    }

    /// The place of a file system, or the first free one; [#DEVICES_MAX] without any. Every answer with a file's number
    /// asks, and nearly always for the first place.
    private int find(long device) {
        int free = DEVICES_MAX;
        for (int index = 0; index < DEVICES_MAX; index++) {
            if (taken[index] && devices[index] == device) {
                return index;
            }
            free = taken[index] ? free : Math.min(free, index);
        }
        return free;
    }

    /// The numbers of file systems.
    synchronized P9State.FileSystems save() {
        List<P9State.FileSystem> all = new ArrayList<>();
        for (int index = 0; index < DEVICES_MAX; index++) {
            if (taken[index]) {
                all.add(new P9State.FileSystem(index, devices[index]));
            }
        }
        return new P9State.FileSystems(wide, all);
    }

    /// Takes over the numbers that another process of this host has given. None is given yet.
    synchronized void take(P9State.FileSystems from) {
        wide = from.isWide();
        for (P9State.FileSystem one : from.all()) {
            devices[one.place()] = one.device();
            taken[one.place()] = true;
        }
    }

    /// Gives a file system the place that a saved number has.
    ///
    /// @throws P9Error ESTALE if the number is another file's, or the place another file system's
    synchronized void restore(long device, long inode, long number) throws P9Error {
        int index = (int) ((number ^ inode) >>> DEVICE_SHIFT);
        boolean isOfInode = (inode ^ ((long) index << DEVICE_SHIFT)) == number;
        int present = find(device);
        boolean isElsewhere = present < DEVICES_MAX && taken[present] && present != index;
        if (!isOfInode || isElsewhere || (taken[index] && devices[index] != device)) {
            throw P9Error.of(Errno.ESTALE);
        }
        wide |= index == 0 && inode >>> DEVICE_SHIFT != 0;
        devices[index] = device;
        taken[index] = true;
    }
}
