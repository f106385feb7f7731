package io.xenemu.kvm.libc;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The C functions for network devices; results as in [Libc]. None allocates.
public final class SocketCalls {
    /// `AF_INET`.
    private static final int AF_INET = 2;

    /// `SOCK_DGRAM | SOCK_CLOEXEC`.
    private static final int DATAGRAM_CLOEXEC = 2 | 0x80000;

    // int socket(int domain, int type, int protocol);
    private static final MethodHandle SOCKET = Libc.handle("socket", Libc.ARGUMENTS);
    // ssize_t readv(int fd, const struct iovec *iov, int iovcnt);
    private static final MethodHandle READV = Libc.handle("readv", Libc.ARGUMENTS);
    // ssize_t writev(int fd, const struct iovec *iov, int iovcnt);
    private static final MethodHandle WRITEV = Libc.handle("writev", Libc.ARGUMENTS);

    private SocketCalls() {}

    /// socket(2) that network interfaces' ioctls need: any datagram socket serves.
    public static int interfaceSocket() {
        return Libc.call(SOCKET, AF_INET, DATAGRAM_CLOEXEC, 0);
    }

    /// readv(2) with `count` elements at the address `vectors`.
    public static long readv(int fd, long vectors, int count) {
        MemorySegment errno = CallSlot.current().errno();
        // SAFETY: IoVectors says who keeps the memory that the elements name.
        try {
            return Libc.longResult(
                    (long) READV.invokeExact(errno, (long) fd, vectors, (long) count), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// writev(2) with `count` elements at the address `vectors`.
    public static long writev(int fd, long vectors, int count) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.longResult(
                    (long) WRITEV.invokeExact(errno, (long) fd, vectors, (long) count), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }
}
