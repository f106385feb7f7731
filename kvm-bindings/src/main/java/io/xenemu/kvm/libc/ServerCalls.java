package io.xenemu.kvm.libc;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The C functions for sockets that listen, one method for each; results as in [Libc]. The handles are apart, since a
/// service without such sockets has no use for their code.
public final class ServerCalls {
    private static final int SIX_ARGUMENTS = 6;

    // int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen);
    private static final MethodHandle BIND = Libc.handle("bind", Libc.ARGUMENTS);
    // int listen(int sockfd, int backlog);
    private static final MethodHandle LISTEN = Libc.handle("listen", Libc.ARGUMENTS);
    // int fchmod(int fd, mode_t mode);
    private static final MethodHandle FCHMOD = Libc.handle("fchmod", Libc.ARGUMENTS);
    // int accept4(int sockfd, struct sockaddr *addr, socklen_t *addrlen, int flags);
    private static final MethodHandle ACCEPT4 = Libc.handle("accept4", SIX_ARGUMENTS);
    // int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen);
    private static final MethodHandle GETSOCKOPT = Libc.handle("getsockopt", SIX_ARGUMENTS);
    // int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen);
    private static final MethodHandle GETSOCKNAME = Libc.handle("getsockname", Libc.ARGUMENTS);

    private ServerCalls() {}

    /// bind(2).
    ///
    /// @param address a `sockaddr` of the length that the segment has
    public static int bind(int fd, MemorySegment address) {
        return Libc.call(BIND, fd, Libc.address(address, 0), address.byteSize());
    }

    /// listen(2).
    public static int listen(int fd, int backlog) {
        return Libc.call(LISTEN, fd, backlog, 0);
    }

    /// fchmod(2). The file of a Unix socket gets the mode that its descriptor has before bind(2).
    public static int fchmod(int fd, int mode) {
        return Libc.call(FCHMOD, fd, mode, 0);
    }

    /// accept4(2), without the peer's address.
    ///
    /// @return the connection's descriptor, or a negated errno
    public static int accept4(int fd, int flags) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult(
                    (long) ACCEPT4.invokeExact(errno, (long) fd, 0L, 0L, (long) flags, 0L, 0L),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// getsockopt(2) of an option whose value has `int` fields.
    ///
    /// @param value gets the value; its length is that of the segment
    /// @return 0 or a negated errno
    public static int getsockopt(int fd, int level, int option, MemorySegment value) {
        MemorySegment slot = CallSlot.current().scratch();
        slot.set(JAVA_INT, 0, Math.toIntExact(value.byteSize()));
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult(
                    (long)
                            GETSOCKOPT.invokeExact(
                                    errno,
                                    (long) fd,
                                    (long) level,
                                    (long) option,
                                    Libc.address(value, 0),
                                    slot.address(),
                                    0L),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// getsockname(2).
    ///
    /// @param address gets a `sockaddr`, as much of it as fits
    /// @return bytes of the address, or a negated errno
    public static int getsockname(int fd, MemorySegment address) {
        MemorySegment slot = CallSlot.current().scratch();
        slot.set(JAVA_INT, 0, Math.toIntExact(address.byteSize()));
        int result = Libc.call(GETSOCKNAME, fd, Libc.address(address, 0), slot.address());
        return result < 0 ? result : slot.get(JAVA_INT, 0);
    }
}
