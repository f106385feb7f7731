package io.xenemu.kvm.libc;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The system call of futex(2) for words that processes share, for which glibc has no function, by the convention of
/// [Libc]. Apart, since only services with attached VMMs use it.
public final class FutexCalls {
    private static final long FUTEX = 202;
    private static final long WAIT = 0;
    private static final long WAKE = 1;

    // long syscall(long number, ...);
    private static final MethodHandle SYSCALL = Libc.handle("syscall", 6);

    private FutexCalls() {}

    /// FUTEX_WAIT: waits while a word has a value.
    ///
    /// @param word 4 bytes
    /// @param limit `struct timespec`, the longest wait
    /// @return 0 or a negated errno: EAGAIN if the word has another value, ETIMEDOUT, EINTR
    public static int await(MemorySegment word, int value, MemorySegment limit) {
        return call(word, WAIT, Integer.toUnsignedLong(value), Libc.address(limit, 16));
    }

    /// FUTEX_WAKE: wakes one thread that waits on a word.
    ///
    /// @param word 4 bytes
    /// @return how many were woken
    public static int wake(MemorySegment word) {
        return call(word, WAKE, 1, 0);
    }

    private static int call(MemorySegment word, long operation, long value, long limit) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult(
                    (long)
                            SYSCALL.invokeExact(
                                    errno,
                                    FUTEX,
                                    Libc.address(word, Integer.BYTES),
                                    operation,
                                    value,
                                    limit,
                                    0L),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }
}
