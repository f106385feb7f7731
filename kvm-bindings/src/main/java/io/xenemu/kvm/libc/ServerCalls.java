package io.xenemu.kvm.libc;

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
}
