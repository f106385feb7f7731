package io.xenemu.kvm.file;

/// Linux's numbers for files on x86-64 (`asm-generic/fcntl.h`, `linux/stat.h`). 9P2000.L sends the same numbers.
public final class OpenFlags {
    public static final int O_RDONLY = 0;
    public static final int O_WRONLY = 1;
    public static final int O_RDWR = 2;

    /// The bits of the access mode.
    public static final int O_ACCMODE = 3;

    public static final int O_CREAT = 0x40;
    public static final int O_EXCL = 0x80;
    public static final int O_NOCTTY = 0x100;
    public static final int O_TRUNC = 0x200;
    public static final int O_APPEND = 0x400;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_DSYNC = 0x1000;
    public static final int O_DIRECT = 0x4000;
    public static final int O_DIRECTORY = 0x1_0000;
    public static final int O_NOFOLLOW = 0x2_0000;
    public static final int O_CLOEXEC = 0x8_0000;

    /// Includes O_DSYNC.
    public static final int O_SYNC = 0x10_1000;

    public static final int O_PATH = 0x20_0000;

    /// Removes a directory instead of a file ([Beneath#unlink]).
    public static final int AT_REMOVEDIR = 0x200;

    /// The bits of a file's type in its mode.
    public static final int S_IFMT = 0xf000;

    public static final int S_IFIFO = 0x1000;
    public static final int S_IFCHR = 0x2000;
    public static final int S_IFDIR = 0x4000;
    public static final int S_IFBLK = 0x6000;
    public static final int S_IFREG = 0x8000;
    public static final int S_IFLNK = 0xa000;
    public static final int S_IFSOCK = 0xc000;
    public static final int S_ISGID = 0x400;

    private OpenFlags() {}
}
