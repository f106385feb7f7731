package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;

/// The thing that a fid stands for. It lives as long as a fid names it or a request uses it: whoever lets it go last
/// ends it. [P9Fids] counts.
abstract sealed class P9Object permits P9Place, P9OpenFile, P9Attribute, P9Stale {
    /// The guest's user that attached, for files that it creates.
    private final int uid;

    /// Fids that name it; guarded by [P9Fids].
    int fids;

    /// Requests that use it; guarded by [P9Fids].
    int users;

    P9Object(int uid) {
        this.uid = uid;
    }

    int uid() {
        return uid;
    }

    /// A descriptor of the file, for calls that need no open file. The caller uses the object.
    ///
    /// @throws P9Error ESTALE if the file is no longer where it was; EBADF if the object has no file
    abstract int descriptor(P9Scratch scratch) throws P9Error;

    /// Reads a part of the content to the front of a buffer. The caller uses the object.
    ///
    /// @param offset in the content, in bytes
    /// @param count at most so many bytes
    /// @return bytes; 0 at the end
    /// @throws P9Error EBADF if the object is not open for that; any error of the file
    int read(long offset, MemorySegment to, int count) throws P9Error {
        throw P9Error.of(Errno.EBADF);
    }

    /// Writes a part of the content from the front of a buffer. The caller uses the object.
    ///
    /// @param offset in the content, in bytes
    /// @return bytes written
    /// @throws P9Error EBADF if the object is not open for that; any error of the file
    int write(long offset, MemorySegment from, int count) throws P9Error {
        throw P9Error.of(Errno.EBADF);
    }

    /// Closes what it holds. Called once, without a lock.
    abstract void end();
}
