package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;

/// A request that fails: the answer is Rlerror with this Linux error number. Stackless and one instance per number, so
/// that a guest that provokes it costs nothing.
@SuppressWarnings({"serial", "StaticAssignmentOfThrowable"})
final class P9Error extends Exception {
    /// Linux's numbers end below this (`asm-generic/errno.h`: 133).
    private static final int NUMBERS = 134;

    private static final P9Error[] ALL = all();

    private final int errno;

    private P9Error(int errno) {
        super("errno " + errno, null, false, false);
        this.errno = errno;
    }

    private static P9Error[] all() {
        P9Error[] all = new P9Error[NUMBERS];
        for (int errno = 0; errno < NUMBERS; errno++) {
            all[errno] = new P9Error(errno);
        }
        return all;
    }

    /// @param errno of `io.xenemu.kvm.abi.Errno`; a number that only the kernel may know (`ENOTSUPP` escapes from some
    ///     file systems) is EIO
    static P9Error of(int errno) {
        return ALL[errno < NUMBERS ? errno : Errno.EIO];
    }

    /// The result of a system call, if it has succeeded.
    static int check(int result) throws P9Error {
        if (result < 0) {
            throw of(-result);
        }
        return result;
    }

    /// The result of a system call, if it has succeeded.
    static long check(long result) throws P9Error {
        if (result < 0) {
            throw of((int) -result);
        }
        return result;
    }

    /// Linux's error number.
    int errno() {
        return errno;
    }
}
