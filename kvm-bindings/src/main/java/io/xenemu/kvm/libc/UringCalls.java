package io.xenemu.kvm.libc;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The system calls of io_uring(7), for which glibc has no functions, by the convention of [Libc]. Apart, since few
/// services use them.
public final class UringCalls {
    private static final long IO_URING_SETUP = 425;
    private static final long IO_URING_ENTER = 426;

    // long syscall(long number, ...);
    private static final MethodHandle SYSCALL = Libc.handle("syscall", 6);

    private UringCalls() {}

    /// io_uring_setup(2) with a `struct io_uring_params` of 120 bytes: a descriptor.
    public static int setup(int entries, MemorySegment parameters) {
        return call(IO_URING_SETUP, entries, Libc.address(parameters, 120), 0, 0);
    }

    /// io_uring_enter(2) without a signal mask, whose size the kernel ignores then.
    ///
    /// @return how many entries it has taken
    public static int enter(int ring, int submitted, int completed, int flags) {
        return call(IO_URING_ENTER, ring, submitted, completed, flags);
    }

    private static int call(long number, long a, long b, long c, long d) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult((long) SYSCALL.invokeExact(errno, number, a, b, c, d, 0L), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }
}
