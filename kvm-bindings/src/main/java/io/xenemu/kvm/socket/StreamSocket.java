package io.xenemu.kvm.socket;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.StreamCalls;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;

/// A stream socket that is connected. Its data goes straight between the kernel and the memory of a
/// [IoVectors], without a copy in the JVM.
///
/// One thread may send while another receives. [#shutdown] ends both from any thread; [#close] needs that they have
/// ended. Sending and receiving do not allocate.
public final class StreamSocket implements AutoCloseable {
    private static final int AF_INET = 2;
    private static final int AF_INET6 = 10;
    private static final int SOCK_STREAM_CLOEXEC = 1 | 0x80000;
    private static final int SOL_SOCKET = 1;
    private static final int SO_KEEPALIVE = 9;
    private static final int SO_RCVTIMEO = 20;
    private static final int SO_SNDTIMEO = 21;
    private static final int IPPROTO_TCP = 6;
    private static final int TCP_NODELAY = 1;
    private static final int TCP_USER_TIMEOUT = 18;
    private static final int SHUT_RDWR = 2;

    private static final int EINPROGRESS = 115;

    private static final int SOCKADDR_IN = 16;
    private static final int SOCKADDR_IN6 = 28;
    private static final ValueLayout.OfShort HOST_16 = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfShort NETWORK_16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private final OwnedFd fd;
    private final String peer;
    private boolean closed;

    private StreamSocket(OwnedFd fd, String peer) {
        this.fd = fd;
        this.peer = peer;
    }

    /// Takes over a connected socket that another process has sent.
    ///
    /// @param peer for messages
    public static StreamSocket received(int descriptor, String peer) {
        return new StreamSocket(OwnedFd.of("recvmsg", descriptor, peer), peer);
    }

    /// Connects to a Unix socket.
    ///
    /// @param limit for the connection, and then for each wait in [#receive] and [#send]
    /// @throws IOException if nobody listens there; the message names the path
    public static StreamSocket connect(Path path, Duration limit) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = SocketFile.address(arena, path);
            return connect(SocketFile.AF_UNIX, address, limit, path.toString());
        }
    }

    /// Connects by TCP, without Nagle's delay. A peer that acknowledges nothing for `dead` ends the connection.
    ///
    /// @param address resolved
    /// @param limit for the connection, and then for each wait in [#receive] and [#send]
    /// @throws IOException if it cannot be reached; the message names the address
    public static StreamSocket connect(InetSocketAddress address, Duration limit, Duration dead)
            throws IOException {
        InetAddress host = address.getAddress();
        if (host == null) {
            throw new IOException(
                    "cannot connect to " + address.getHostString() + ": no such host");
        }
        String peer = host.getHostAddress() + " port " + address.getPort();
        try (Arena arena = Arena.ofConfined()) {
            int family = host instanceof Inet6Address ? AF_INET6 : AF_INET;
            StreamSocket socket =
                    connect(family, internet(arena, host, address.getPort()), limit, peer);
            int number = socket.fd.number();
            int _ = StreamCalls.setsockopt(number, IPPROTO_TCP, TCP_NODELAY, 1);
            int _ = StreamCalls.setsockopt(number, SOL_SOCKET, SO_KEEPALIVE, 1);
            int _ =
                    StreamCalls.setsockopt(
                            number,
                            IPPROTO_TCP,
                            TCP_USER_TIMEOUT,
                            Math.toIntExact(dead.toMillis()));
            return socket;
        }
    }

    private static MemorySegment internet(Arena arena, InetAddress host, int port) {
        boolean six = host instanceof Inet6Address;
        MemorySegment address = arena.allocate(six ? SOCKADDR_IN6 : SOCKADDR_IN, Long.BYTES);
        address.set(HOST_16, 0, (short) (six ? AF_INET6 : AF_INET));
        address.set(NETWORK_16, Short.BYTES, (short) port);
        byte[] bytes = host.getAddress();
        // sockaddr_in6 has the flow before the address, and the scope behind it.
        long at = six ? 8 : 4;
        MemorySegment.copy(bytes, 0, address, ValueLayout.JAVA_BYTE, at, bytes.length);
        if (host instanceof Inet6Address scoped) {
            address.set(ValueLayout.JAVA_INT, at + bytes.length, scoped.getScopeId());
        }
        return address;
    }

    private static StreamSocket connect(
            int family, MemorySegment address, Duration limit, String peer) throws IOException {
        OwnedFd fd = OwnedFd.of("socket", StreamCalls.socket(family, SOCK_STREAM_CLOEXEC, 0), peer);
        StreamSocket socket = new StreamSocket(fd, peer);
        boolean connected = false;
        try {
            socket.limit(limit);
            int result;
            do {
                result = StreamCalls.connect(fd.number(), address);
            } while (result == -Errno.EINTR);
            if (result < 0) {
                throw socket.failure("connect to", result);
            }
            connected = true;
            return socket;
        } finally {
            if (!connected) {
                fd.close();
            }
        }
    }

    /// Limits each wait from now on; [Duration#ZERO] for no limit.
    public void limit(Duration limit) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment time = arena.allocate(JAVA_LONG, 2);
            time.setAtIndex(JAVA_LONG, 0, limit.toSeconds());
            time.setAtIndex(JAVA_LONG, 1, limit.toNanosPart() / 1000);
            for (int option : new int[] {SO_RCVTIMEO, SO_SNDTIMEO}) {
                int result = StreamCalls.setsockopt(fd.number(), SOL_SOCKET, option, time);
                if (result < 0) {
                    throw failure("set the limit of", result);
                }
            }
        }
    }

    /// Receives at least one byte and at most those of the vector, and removes their room from its front.
    ///
    /// @return bytes received, 0 at the end of the stream
    /// @throws IOException if the connection has failed, or the limit has passed
    public long receive(IoVectors into) throws IOException {
        long received = recvmsg(into, 0);
        if (received < 0) {
            throw failure("receive from", (int) received);
        }
        into.skip(received);
        return received;
    }

    /// Receives what is there, at most the bytes of the vector, and removes their room from its front. Does not wait.
    ///
    /// @return bytes received, 0 at the end of the stream, or a negated errno: EAGAIN there is nothing now
    public long receiveAtOnce(IoVectors into) {
        long received = recvmsg(into, StreamCalls.MSG_DONTWAIT);
        if (received > 0) {
            into.skip(received);
        }
        return received;
    }

    private long recvmsg(IoVectors into, int flags) {
        long received;
        do {
            received = StreamCalls.recvmsg(fd.number(), into.arrayAddress(), into.count(), flags);
        } while (received == -Errno.EINTR);
        return received;
    }

    /// Sends as much of the vector as can be sent without waiting, and removes it from the front.
    ///
    /// @return whether all was sent
    /// @throws IOException if the connection has failed
    public boolean sendAtOnce(IoVectors data) throws IOException {
        while (data.count() > 0) {
            long sent = sendmsg(data, StreamCalls.MSG_DONTWAIT);
            if (sent == -Errno.EAGAIN) {
                return false;
            }
            data.skip(sent);
        }
        return true;
    }

    /// Sends the vector, and empties it.
    ///
    /// @throws IOException if the connection has failed, or the limit has passed
    public void send(IoVectors data) throws IOException {
        while (data.count() > 0) {
            long sent = sendmsg(data, 0);
            if (sent < 0) {
                throw failure("send to", (int) sent);
            }
            data.skip(sent);
        }
    }

    private long sendmsg(IoVectors data, int flags) throws IOException {
        long sent;
        do {
            sent =
                    StreamCalls.sendmsg(
                            fd.number(),
                            data.arrayAddress(),
                            data.count(),
                            flags | StreamCalls.MSG_NOSIGNAL);
        } while (sent == -Errno.EINTR);
        if (sent < 0 && sent != -Errno.EAGAIN) {
            throw failure("send to", (int) sent);
        }
        return sent;
    }

    private IOException failure(String action, int result) {
        String reason =
                switch (-result) {
                    case Errno.EAGAIN, EINPROGRESS -> "no answer in time";
                    case Errno.ENOENT -> "no such socket";
                    case Errno.ECONNREFUSED -> "nobody listens";
                    case Errno.EACCES -> "permission denied";
                    case Errno.ECONNRESET, Errno.EPIPE -> "the connection was closed";
                    default -> Errno.name(-result);
                };
        return new IOException("cannot " + action + " " + peer + ": " + reason);
    }

    /// The descriptor's number, for [io.xenemu.kvm.thread.Epoll]. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// Ends sending and receiving in both directions, also those in progress. Works from any thread, and twice.
    public synchronized void shutdown() {
        if (!closed) {
            int _ = StreamCalls.shutdown(fd.number(), SHUT_RDWR);
        }
    }

    /// Closes the socket. No other thread may be using it.
    @Override
    public synchronized void close() {
        closed = true;
        fd.close();
    }

    @Override
    public String toString() {
        return peer;
    }
}
