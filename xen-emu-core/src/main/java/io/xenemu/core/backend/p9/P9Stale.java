package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;

/// A fid of a restored guest whose file is not there any more, or is another one: every use of it is ESTALE.
final class P9Stale extends P9Object {
    P9Stale(int uid) {
        super(uid);
    }

    @Override
    int descriptor(P9Scratch scratch) throws P9Error {
        throw P9Error.of(Errno.ESTALE);
    }

    @Override
    int read(long offset, MemorySegment to, int count) throws P9Error {
        throw P9Error.of(Errno.ESTALE);
    }

    @Override
    int write(long offset, MemorySegment from, int count) throws P9Error {
        throw P9Error.of(Errno.ESTALE);
    }

    @Override
    void end() {}
}
