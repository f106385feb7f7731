package io.xenemu.kvm.libc;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The C functions for stream sockets, one method for each. A result of zero or more is success, a negative one is the
/// negated errno, as in [Libc].
public final class StreamCalls {
    /// `MSG_DONTWAIT` of [#sendmsg] and [#recvmsg]: fails with EAGAIN where it would wait.
    public static final int MSG_DONTWAIT = 0x40;

    /// `MSG_NOSIGNAL` of [#sendmsg]: a closed socket is EPIPE, without SIGPIPE.
    public static final int MSG_NOSIGNAL = 0x4000;

    /// `sizeof(struct msghdr)`, which fits a [CallSlot].
    private static final long MSG_BYTES = 56;

    /// Where the vector and its length are in it.
    private static final long MSG_IOV = 16;

    private static final long MSG_IOVLEN = 24;

    /// The arguments of setsockopt's handle, which are mmap's, so that no further signature is needed.
    private static final int SIX_ARGUMENTS = 6;

    // int socket(int domain, int type, int protocol);
    private static final MethodHandle SOCKET = Libc.handle("socket", Libc.ARGUMENTS);
    // int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen);
    private static final MethodHandle CONNECT = Libc.handle("connect", Libc.ARGUMENTS);
    // ssize_t sendmsg(int sockfd, const struct msghdr *msg, int flags);
    private static final MethodHandle SENDMSG = Libc.handle("sendmsg", Libc.ARGUMENTS);
    // ssize_t recvmsg(int sockfd, struct msghdr *msg, int flags);
    private static final MethodHandle RECVMSG = Libc.handle("recvmsg", Libc.ARGUMENTS);
    // int shutdown(int sockfd, int how);
    private static final MethodHandle SHUTDOWN = Libc.handle("shutdown", Libc.ARGUMENTS);
    // int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen);
    private static final MethodHandle SETSOCKOPT = Libc.handle("setsockopt", SIX_ARGUMENTS);

    private StreamCalls() {}

    /// socket(2).
    public static int socket(int domain, int type, int protocol) {
        return Libc.call(SOCKET, domain, type, protocol);
    }

    /// connect(2).
    ///
    /// @param address a `sockaddr` of the length that the segment has
    public static int connect(int fd, MemorySegment address) {
        return Libc.call(CONNECT, fd, Libc.address(address, 0), address.byteSize());
    }

    /// sendmsg(2) of a vector alone.
    ///
    /// @param vector address of an array of `struct iovec` whose memory is alive
    /// @param count its elements
    /// @return bytes sent, or a negated errno
    public static long sendmsg(int fd, long vector, long count, int flags) {
        MemorySegment message = message(vector, count);
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.longResult(
                    (long) SENDMSG.invokeExact(errno, (long) fd, message.address(), (long) flags),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// sendmsg(2) of a whole `struct msghdr`.
    ///
    /// @return bytes sent, or a negated errno
    public static long sendmsg(int fd, MemorySegment message, int flags) {
        return call(SENDMSG, fd, message, flags);
    }

    /// recvmsg(2) into a whole `struct msghdr`.
    ///
    /// @return bytes received, 0 at the end of the connection, or a negated errno
    public static long recvmsg(int fd, MemorySegment message, int flags) {
        return call(RECVMSG, fd, message, flags);
    }

    private static long call(MethodHandle function, int fd, MemorySegment message, int flags) {
        MemorySegment errno = CallSlot.current().errno();
        long address = Libc.address(message, MSG_BYTES);
        try {
            return Libc.longResult(
                    (long) function.invokeExact(errno, (long) fd, address, (long) flags), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// recvmsg(2) into a vector alone. Waits for at least one byte, unless the flags forbid it.
    ///
    /// @return bytes received, 0 at the end of the stream, or a negated errno
    public static long recvmsg(int fd, long vector, long count, int flags) {
        MemorySegment message = message(vector, count);
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.longResult(
                    (long) RECVMSG.invokeExact(errno, (long) fd, message.address(), (long) flags),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// shutdown(2).
    public static int shutdown(int fd, int how) {
        return Libc.call(SHUTDOWN, fd, how, 0);
    }

    /// setsockopt(2) with a value of 32 bits.
    public static int setsockopt(int fd, int level, int option, int value) {
        try (Arena arena = Arena.ofConfined()) {
            return setsockopt(fd, level, option, arena.allocateFrom(JAVA_INT, value));
        }
    }

    /// setsockopt(2) with a structure.
    public static int setsockopt(int fd, int level, int option, MemorySegment value) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult(
                    (long)
                            SETSOCKOPT.invokeExact(
                                    errno,
                                    (long) fd,
                                    (long) level,
                                    (long) option,
                                    Libc.address(value, 0),
                                    value.byteSize(),
                                    0L),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// A `struct msghdr` in the thread's slot, without name and control data.
    private static MemorySegment message(long vector, long count) {
        MemorySegment message = CallSlot.current().scratch();
        message.fill((byte) 0);
        message.set(JAVA_LONG, MSG_IOV, vector);
        message.set(JAVA_LONG, MSG_IOVLEN, count);
        return message;
    }
}
