package io.xenemu.kvm.libc;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The system call of userfaultfd(2), for which glibc has no function, by the convention of [Libc]. Apart, since only
/// guests whose memory comes later use it.
public final class FaultCalls {
    private static final long USERFAULTFD = 323;

    // long syscall(long number, ...);
    private static final MethodHandle SYSCALL = Libc.handle("syscall", Libc.ARGUMENTS);

    private FaultCalls() {}

    /// userfaultfd(2): a descriptor.
    public static int userfaultfd(int flags) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult(
                    (long) SYSCALL.invokeExact(errno, USERFAULTFD, (long) flags, 0L), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }
}
