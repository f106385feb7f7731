package io.xenemu.kvm.file;

import io.xenemu.kvm.testing.DeclaredNumbers;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The declared structures and numbers, beside those of the C compiler.
final class FileStructsTest {
    private static final String PROGRAM =
            """
            #define _GNU_SOURCE
            #include <dirent.h>
            #include <fcntl.h>
            #include <stddef.h>
            #include <stdio.h>
            #include <asm/ioctls.h>
            #include <asm/termbits.h>
            #include <sys/stat.h>
            #include <sys/syscall.h>
            #include <sys/vfs.h>
            #include <linux/falloc.h>
            #include <linux/fs.h>
            #include <linux/io_uring.h>
            #include <linux/openat2.h>
            #define V(name, value) printf("%s %lld\\n", name, (long long)(value))
            #define O(type, name, c) V(name, offsetof(type, c))
            int main(void) {
                V("Statx.BYTES", sizeof(struct statx));
                O(struct statx, "Statx.STX_BLKSIZE", stx_blksize);
                O(struct statx, "Statx.STX_NLINK", stx_nlink);
                O(struct statx, "Statx.STX_UID", stx_uid);
                O(struct statx, "Statx.STX_GID", stx_gid);
                O(struct statx, "Statx.STX_MODE", stx_mode);
                O(struct statx, "Statx.STX_INO", stx_ino);
                O(struct statx, "Statx.STX_SIZE", stx_size);
                O(struct statx, "Statx.STX_BLOCKS", stx_blocks);
                O(struct statx, "Statx.STX_ATIME", stx_atime);
                O(struct statx, "Statx.STX_BTIME", stx_btime);
                O(struct statx, "Statx.STX_CTIME", stx_ctime);
                O(struct statx, "Statx.STX_MTIME", stx_mtime);
                O(struct statx, "Statx.STX_RDEV_MAJOR", stx_rdev_major);
                O(struct statx, "Statx.STX_RDEV_MINOR", stx_rdev_minor);
                O(struct statx, "Statx.STX_DEV_MAJOR", stx_dev_major);
                O(struct statx, "Statx.STX_DEV_MINOR", stx_dev_minor);
                O(struct statx_timestamp, "Statx.TV_NSEC", tv_nsec);
                V("FileSystemStatus.BYTES", sizeof(struct statfs));
                O(struct statfs, "FileSystemStatus.F_TYPE", f_type);
                O(struct statfs, "FileSystemStatus.F_BSIZE", f_bsize);
                O(struct statfs, "FileSystemStatus.F_BLOCKS", f_blocks);
                O(struct statfs, "FileSystemStatus.F_BFREE", f_bfree);
                O(struct statfs, "FileSystemStatus.F_BAVAIL", f_bavail);
                O(struct statfs, "FileSystemStatus.F_FILES", f_files);
                O(struct statfs, "FileSystemStatus.F_FFREE", f_ffree);
                O(struct statfs, "FileSystemStatus.F_FSID", f_fsid);
                O(struct statfs, "FileSystemStatus.F_NAMELEN", f_namelen);
                O(struct dirent64, "DirectoryEntries.D_INO", d_ino);
                O(struct dirent64, "DirectoryEntries.D_OFF", d_off);
                O(struct dirent64, "DirectoryEntries.D_RECLEN", d_reclen);
                O(struct dirent64, "DirectoryEntries.D_TYPE", d_type);
                O(struct dirent64, "DirectoryEntries.D_NAME", d_name);
                V("RecordLock.BYTES", sizeof(struct flock));
                O(struct flock, "RecordLock.L_TYPE", l_type);
                O(struct flock, "RecordLock.L_START", l_start);
                O(struct flock, "RecordLock.L_LEN", l_len);
                V("RecordLock.F_OFD_GETLK", F_OFD_GETLK);
                V("RecordLock.F_OFD_SETLK", F_OFD_SETLK);
                V("RecordLock.F_RDLCK", F_RDLCK);
                V("RecordLock.F_WRLCK", F_WRLCK);
                V("RecordLock.F_UNLCK", F_UNLCK);
                V("Beneath.AT_FDCWD", AT_FDCWD);
                V("Beneath.AT_SYMLINK_NOFOLLOW", AT_SYMLINK_NOFOLLOW);
                V("Beneath.AT_SYMLINK_FOLLOW", AT_SYMLINK_FOLLOW);
                V("Beneath.AT_EMPTY_PATH", AT_EMPTY_PATH);
                V("Beneath.OPEN_HOW_BYTES", sizeof(struct open_how));
                O(struct open_how, "Beneath.HOW_FLAGS", flags);
                O(struct open_how, "Beneath.HOW_MODE", mode);
                O(struct open_how, "Beneath.HOW_RESOLVE", resolve);
                V("Beneath.RESOLVE_NO_MAGICLINKS", RESOLVE_NO_MAGICLINKS);
                V("Beneath.RESOLVE_NO_SYMLINKS", RESOLVE_NO_SYMLINKS);
                V("Beneath.RESOLVE_BENEATH", RESOLVE_BENEATH);
                V("Beneath.STATX_MASK", STATX_BASIC_STATS | STATX_BTIME);
                V("Beneath.SEEK_SET", SEEK_SET);
                V("Beneath.TIMES_BYTES", 2 * sizeof(struct timespec));
                V("OpenFlags.O_RDONLY", O_RDONLY);
                V("OpenFlags.O_WRONLY", O_WRONLY);
                V("OpenFlags.O_RDWR", O_RDWR);
                V("OpenFlags.O_ACCMODE", O_ACCMODE);
                V("OpenFlags.O_CREAT", O_CREAT);
                V("OpenFlags.O_EXCL", O_EXCL);
                V("OpenFlags.O_NOCTTY", O_NOCTTY);
                V("OpenFlags.O_TRUNC", O_TRUNC);
                V("OpenFlags.O_APPEND", O_APPEND);
                V("OpenFlags.O_NONBLOCK", O_NONBLOCK);
                V("OpenFlags.O_DSYNC", O_DSYNC);
                V("OpenFlags.O_DIRECT", O_DIRECT);
                V("OpenFlags.O_DIRECTORY", O_DIRECTORY);
                V("OpenFlags.O_NOFOLLOW", O_NOFOLLOW);
                V("OpenFlags.O_CLOEXEC", O_CLOEXEC);
                V("OpenFlags.O_SYNC", O_SYNC);
                V("OpenFlags.O_PATH", O_PATH);
                V("OpenFlags.AT_REMOVEDIR", AT_REMOVEDIR);
                V("OpenFlags.S_IFMT", S_IFMT);
                V("OpenFlags.S_IFIFO", S_IFIFO);
                V("OpenFlags.S_IFCHR", S_IFCHR);
                V("OpenFlags.S_IFDIR", S_IFDIR);
                V("OpenFlags.S_IFBLK", S_IFBLK);
                V("OpenFlags.S_IFREG", S_IFREG);
                V("OpenFlags.S_IFLNK", S_IFLNK);
                V("OpenFlags.S_IFSOCK", S_IFSOCK);
                V("OpenFlags.S_ISGID", S_ISGID);
                V("HostFile.STAT_BYTES", sizeof(struct stat));
                O(struct stat, "HostFile.ST_MODE", st_mode);
                O(struct stat, "HostFile.ST_SIZE", st_size);
                O(struct stat, "HostFile.ST_BLKSIZE", st_blksize);
                V("HostFile.BLKGETSIZE64", BLKGETSIZE64);
                V("HostFile.BLKSSZGET", BLKSSZGET);
                V("HostFile.BLKPBSZGET", BLKPBSZGET);
                V("HostFile.BLKROGET", BLKROGET);
                V("HostFile.FALLOC_FL_KEEP_SIZE", FALLOC_FL_KEEP_SIZE);
                V("HostFile.FALLOC_FL_PUNCH_HOLE", FALLOC_FL_PUNCH_HOLE);
                V("HostFile.FALLOC_FL_ZERO_RANGE", FALLOC_FL_ZERO_RANGE);
                V("HostFile.SYNC_FILE_RANGE_WAIT_BEFORE", SYNC_FILE_RANGE_WAIT_BEFORE);
                V("HostFile.SYNC_FILE_RANGE_WRITE", SYNC_FILE_RANGE_WRITE);
                V("HostFile.SYNC_FILE_RANGE_WAIT_AFTER", SYNC_FILE_RANGE_WAIT_AFTER);
                V("PseudoTerminal.TIOCSPTLCK", TIOCSPTLCK);
                V("PseudoTerminal.TIOCGPTN", TIOCGPTN);
                V("PseudoTerminal.TIOCGPTPEER", TIOCGPTPEER);
                V("PseudoTerminal.TCGETS", TCGETS);
                V("PseudoTerminal.TCSETS", TCSETS);
                O(struct termios, "PseudoTerminal.CONTROL_MODES", c_cflag);
                O(struct termios, "PseudoTerminal.LOCAL_MODES", c_lflag);
                O(struct termios, "PseudoTerminal.CHARACTERS", c_cc);
                V("PseudoTerminal.VTIME", VTIME);
                V("PseudoTerminal.VMIN", VMIN);
                V("PseudoTerminal.CSIZE", CSIZE);
                V("PseudoTerminal.CS8", CS8);
                V("PseudoTerminal.PARENB", PARENB);
                V("AtCalls.OPENAT2", SYS_openat2);
                V("UringCalls.IO_URING_SETUP", SYS_io_uring_setup);
                V("UringCalls.IO_URING_ENTER", SYS_io_uring_enter);
                V("IoUring.PARAMS_BYTES", sizeof(struct io_uring_params));
                O(struct io_uring_params, "IoUring.P_SQ_ENTRIES", sq_entries);
                O(struct io_uring_params, "IoUring.P_CQ_ENTRIES", cq_entries);
                O(struct io_uring_params, "IoUring.P_FEATURES", features);
                O(struct io_uring_params, "IoUring.P_SQ_OFF", sq_off);
                O(struct io_uring_params, "IoUring.P_CQ_OFF", cq_off);
                O(struct io_sqring_offsets, "IoUring.SQ_TAIL", tail);
                O(struct io_sqring_offsets, "IoUring.SQ_ARRAY", array);
                O(struct io_cqring_offsets, "IoUring.CQ_HEAD", head);
                O(struct io_cqring_offsets, "IoUring.CQ_TAIL", tail);
                O(struct io_cqring_offsets, "IoUring.CQ_CQES", cqes);
                V("IoUring.IORING_OFF_SQ_RING", IORING_OFF_SQ_RING);
                V("IoUring.IORING_OFF_SQES", IORING_OFF_SQES);
                V("IoUring.IORING_ENTER_GETEVENTS", IORING_ENTER_GETEVENTS);
                V("IoUring.NEEDED_FEATURES", IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP
                        | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL);
                V("IoUring.SQE_BYTES", sizeof(struct io_uring_sqe));
                O(struct io_uring_sqe, "IoUring.FD", fd);
                O(struct io_uring_sqe, "IoUring.OFF", off);
                O(struct io_uring_sqe, "IoUring.ADDR", addr);
                O(struct io_uring_sqe, "IoUring.LEN", len);
                O(struct io_uring_sqe, "IoUring.FSYNC_FLAGS", fsync_flags);
                O(struct io_uring_sqe, "IoUring.USER_DATA", user_data);
                V("IoUring.CQE_BYTES", sizeof(struct io_uring_cqe));
                O(struct io_uring_cqe, "IoUring.RES", res);
                V("IoUring.IORING_OP_NOP", IORING_OP_NOP);
                V("IoUring.IORING_OP_READV", IORING_OP_READV);
                V("IoUring.IORING_OP_WRITEV", IORING_OP_WRITEV);
                V("IoUring.IORING_OP_FSYNC", IORING_OP_FSYNC);
                V("IoUring.IORING_OP_FALLOCATE", IORING_OP_FALLOCATE);
                V("IoUring.IORING_FSYNC_DATASYNC", IORING_FSYNC_DATASYNC);
                return 0;
            }
            """;

    @TempDir private Path folder;

    @Test
    void declarationsAreThoseOfTheCompiler() throws Exception {
        DeclaredNumbers.assertAreThoseOf(
                PROGRAM,
                folder,
                type -> "io.xenemu.kvm." + (type.endsWith("Calls") ? "libc" : "file"));
    }
}
