package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;

/// Finds where a descriptor's file is now, below the share's root. The kernel knows; the answer may be old a moment
/// later, so whoever opens such a path has to compare the file.
final class P9Paths {
    private P9Paths() {}

    /// Writes the path of a file below the root to the front of `scratch.path`, without an end.
    ///
    /// @return bytes; 0 for the root itself
    /// @throws P9Error ENOENT if the file is not below the root any more; ENAMETOOLONG if the path is too long
    static int below(P9Scratch scratch, int root, int fd) throws P9Error {
        int prefix = path(scratch, root, scratch.rootPath);
        int length = path(scratch, fd, scratch.path);
        if (prefix == 1) {
            // The root of the file system is the only path that ends in a slash.
            prefix = 0;
        }
        if (length < prefix
                || MemorySegment.mismatch(scratch.rootPath, 0, prefix, scratch.path, 0, prefix)
                        != -1) {
            throw P9Error.of(Errno.ENOENT);
        }
        if (length == prefix) {
            return 0;
        }
        if (scratch.path.get(JAVA_BYTE, prefix) != '/') {
            throw P9Error.of(Errno.ENOENT);
        }
        int below = length - prefix - 1;
        MemorySegment.copy(scratch.path, prefix + 1L, scratch.path, 0, below);
        return below;
    }

    private static int path(P9Scratch scratch, int fd, MemorySegment to) throws P9Error {
        int length = P9Error.check(scratch.files.path(fd, to));
        if (length == to.byteSize()) {
            throw P9Error.of(Errno.ENAMETOOLONG);
        }
        return length;
    }
}
