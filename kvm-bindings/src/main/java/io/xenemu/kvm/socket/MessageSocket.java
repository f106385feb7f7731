package io.xenemu.kvm.socket;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.ServerCalls;
import io.xenemu.kvm.libc.StreamCalls;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// A Unix-domain socket between two processes of one user that carries whole messages, and descriptors with them
/// (`SOCK_SEQPACKET`, `SCM_RIGHTS`: unix(7)).
///
/// Several threads may send; one thread receives.
public final class MessageSocket implements AutoCloseable {
    /// The longest message, in bytes.
    public static final int MAX_BYTES = 64 << 10;

    /// The most descriptors with one message.
    public static final int MAX_DESCRIPTORS = 128;

    private static final int SEQPACKET_CLOEXEC = 5 | 0x80000;
    private static final int CLOEXEC = 0x80000;
    private static final int OWNER_ONLY = 0600;
    private static final int SHUT_RDWR = 2;

    static final int SOL_SOCKET = 1;
    static final int SO_RCVTIMEO = 20;
    private static final int SO_SNDTIMEO = 21;
    static final int SCM_RIGHTS = 1;
    static final int MSG_TRUNC = 0x20;
    static final int MSG_CTRUNC = 8;
    static final int MSG_CMSG_CLOEXEC = 0x4000_0000;

    /// `struct msghdr`.
    static final int MSGHDR_BYTES = 56;

    static final int MSG_IOV = 16;
    static final int MSG_IOVLEN = 24;
    static final int MSG_CONTROL = 32;
    static final int MSG_CONTROLLEN = 40;
    static final int MSG_FLAGS = 48;

    /// `struct cmsghdr`; its data follow.
    static final int CMSG_BYTES = 16;

    static final int CMSG_LEVEL = 8;
    static final int CMSG_TYPE = 12;

    private static final int CONTROL_BYTES = CMSG_BYTES + MAX_DESCRIPTORS * Integer.BYTES;

    private final OwnedFd fd;
    private final Arena arena = Arena.ofShared();
    private final Packet out = new Packet(arena);
    private final Packet in = new Packet(arena);
    private boolean closed;

    /// A message that was received.
    public static final class Message {
        private final byte[] bytes;
        private final ImmutableIntArray descriptors;

        private Message(byte[] bytes, ImmutableIntArray descriptors) {
            this.bytes = bytes;
            this.descriptors = descriptors;
        }

        /// A copy of its bytes.
        public byte[] bytes() {
            return bytes.clone();
        }

        /// Closes the descriptors that came with it, for a receiver that wants none of them.
        public void closeDescriptors() {
            descriptors.forEach(Libc::close);
        }

        /// The descriptors that came with it. Their receiver closes them.
        public ImmutableIntArray descriptors() {
            return descriptors;
        }
    }

    /// The memory of one message.
    private record Packet(MemorySegment header, MemorySegment data, MemorySegment control) {
        Packet(Arena arena) {
            this(
                    arena.allocate(MSGHDR_BYTES + 2 * Long.BYTES, Long.BYTES),
                    arena.allocate(MAX_BYTES, Long.BYTES),
                    arena.allocate(CONTROL_BYTES, Long.BYTES));
        }

        /// The `struct msghdr` for a message of these lengths. Its vector is behind it.
        MemorySegment header(long bytes, long controlBytes) {
            header.fill((byte) 0);
            header.set(JAVA_LONG, MSGHDR_BYTES, data.address());
            header.set(JAVA_LONG, MSGHDR_BYTES + Long.BYTES, bytes);
            header.set(JAVA_LONG, MSG_IOV, header.address() + MSGHDR_BYTES);
            header.set(JAVA_LONG, MSG_IOVLEN, 1);
            if (controlBytes > 0) {
                header.set(JAVA_LONG, MSG_CONTROL, control.address());
                header.set(JAVA_LONG, MSG_CONTROLLEN, controlBytes);
            }
            return header;
        }
    }

    private MessageSocket(OwnedFd fd) {
        this.fd = fd;
    }

    /// Connects to a socket that [Listener] has made.
    ///
    /// @throws IOException if nobody listens there; the message names the path
    public static MessageSocket connect(Path path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = SocketFile.address(arena, path);
            OwnedFd fd = socket(path);
            int result = StreamCalls.connect(fd.number(), address);
            if (result < 0) {
                fd.close();
                throw new IOException("cannot connect to " + path + ": " + Errno.name(-result));
            }
            return new MessageSocket(fd);
        }
    }

    private static OwnedFd socket(Path path) {
        return OwnedFd.of(
                "socket",
                StreamCalls.socket(SocketFile.AF_UNIX, SEQPACKET_CLOEXEC, 0),
                path.toString());
    }

    /// Sends a message. The peer gets duplicates of the descriptors.
    ///
    /// @throws IOException if the peer has gone
    public synchronized void send(byte[] message, int... descriptors) throws IOException {
        if (message.length == 0 || message.length > MAX_BYTES) {
            throw new IllegalArgumentException("a message of " + message.length + " bytes");
        }
        if (descriptors.length > MAX_DESCRIPTORS) {
            throw new IllegalArgumentException(descriptors.length + " descriptors");
        }
        if (closed) {
            throw new IOException("cannot send a message: the connection is closed");
        }
        MemorySegment.copy(message, 0, out.data, JAVA_BYTE, 0, message.length);
        long control = 0;
        if (descriptors.length > 0) {
            control = CMSG_BYTES + (long) descriptors.length * Integer.BYTES;
            out.control.set(JAVA_LONG, 0, control);
            out.control.set(JAVA_INT, CMSG_LEVEL, SOL_SOCKET);
            out.control.set(JAVA_INT, CMSG_TYPE, SCM_RIGHTS);
            MemorySegment.copy(
                    descriptors, 0, out.control, JAVA_INT, CMSG_BYTES, descriptors.length);
        }
        MemorySegment header = out.header(message.length, control);
        long sent;
        do {
            sent = StreamCalls.sendmsg(fd.number(), header, StreamCalls.MSG_NOSIGNAL);
        } while (sent == -Errno.EINTR);
        if (sent < 0) {
            throw new IOException("cannot send a message: " + Errno.name((int) -sent));
        }
    }

    /// Receives the next message.
    ///
    /// @return null if the peer has gone
    /// @throws IOException if the connection has failed, or the message is longer than allowed
    public @Nullable Message receive() throws IOException {
        MemorySegment header = in.header(MAX_BYTES, CONTROL_BYTES);
        long received;
        do {
            received = StreamCalls.recvmsg(fd.number(), header, MSG_CMSG_CLOEXEC);
        } while (received == -Errno.EINTR);
        if (received == 0 || received == -Errno.ECONNRESET) {
            return null;
        }
        if (received < 0) {
            throw new IOException("cannot receive a message: " + Errno.name((int) -received));
        }
        ImmutableIntArray descriptors = descriptors(header.get(JAVA_LONG, MSG_CONTROLLEN));
        if ((header.get(JAVA_INT, MSG_FLAGS) & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
            descriptors.forEach(Libc::close);
            throw new IOException("a message that is too long");
        }
        return new Message(in.data.asSlice(0, received).toArray(JAVA_BYTE), descriptors);
    }

    private ImmutableIntArray descriptors(long controlBytes) {
        if (controlBytes < CMSG_BYTES
                || in.control.get(JAVA_INT, CMSG_LEVEL) != SOL_SOCKET
                || in.control.get(JAVA_INT, CMSG_TYPE) != SCM_RIGHTS) {
            return ImmutableIntArray.of();
        }
        long bytes = Math.min(controlBytes, in.control.get(JAVA_LONG, 0)) - CMSG_BYTES;
        return ImmutableIntArray.copyOf(in.control.asSlice(CMSG_BYTES, bytes).toArray(JAVA_INT));
    }

    /// Lets a [#send] fail that the peer does not make room for.
    ///
    /// @param limit whole microseconds
    public void limitSends(Duration limit) {
        try (Arena arena = Arena.ofConfined()) {
            int result =
                    StreamCalls.setsockopt(
                            fd.number(), SOL_SOCKET, SO_SNDTIMEO, timeval(arena, limit));
            if (result < 0) {
                throw new KvmException("setsockopt", -result, "SO_SNDTIMEO");
            }
        }
    }

    private static MemorySegment timeval(Arena arena, Duration limit) {
        MemorySegment time = arena.allocate(JAVA_LONG, 2);
        time.setAtIndex(JAVA_LONG, 0, limit.toSeconds());
        time.setAtIndex(JAVA_LONG, 1, limit.toNanosPart() / 1000);
        return time;
    }

    /// The descriptor's number, for [io.xenemu.kvm.thread.Epoll]. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// Ends the connection, also a [#receive] in progress. Works from any thread, and twice.
    public synchronized void shutdown() {
        if (!closed) {
            int _ = StreamCalls.shutdown(fd.number(), SHUT_RDWR);
        }
    }

    /// Closes the socket. No other thread may be using it.
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            fd.close();
            arena.close();
        }
    }

    /// A listening socket, whose file only this user can use.
    public static final class Listener implements AutoCloseable {
        private final OwnedFd fd;

        /// The socket's file and its identity, for [#remove]; null if the file stays.
        private final @Nullable Path path;

        private final @Nullable Object key;

        private Listener(OwnedFd fd, @Nullable Path path, @Nullable Object key) {
            this.fd = fd;
            this.path = path;
            this.key = key;
        }

        /// Listens at a path that does not exist.
        ///
        /// @param wait the longest wait of [#accept]
        /// @throws IOException if that is not possible; the message names the path
        public static Listener bind(Path path, Duration wait) throws IOException {
            OwnedFd fd = socket(path);
            boolean done = false;
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment address = SocketFile.address(arena, path);
                check(ServerCalls.fchmod(fd.number(), OWNER_ONLY), path);
                check(ServerCalls.bind(fd.number(), address), path);
                check(ServerCalls.listen(fd.number(), 1), path);
                MemorySegment time = timeval(arena, wait);
                check(StreamCalls.setsockopt(fd.number(), SOL_SOCKET, SO_RCVTIMEO, time), path);
                done = true;
                return new Listener(fd, null, null);
            } finally {
                if (!done) {
                    fd.close();
                }
            }
        }

        /// As [#bind], in place of a socket that nobody serves any more.
        ///
        /// @throws IOException as [#bind], also if another file is there
        public static Listener replace(Path path, Duration wait) throws IOException {
            SocketFile.checkReplaceable(path);
            Path fresh = SocketFile.fresh(path);
            Files.deleteIfExists(fresh);
            Listener bound = bind(fresh, wait);
            boolean done = false;
            try {
                Object key = SocketFile.key(fresh);
                SocketFile.publish(fresh, path);
                done = true;
                return new Listener(bound.fd, path, key);
            } finally {
                if (!done) {
                    bound.close();
                    Files.deleteIfExists(fresh);
                }
            }
        }

        private static void check(int result, Path path) throws IOException {
            if (result < 0) {
                throw new IOException("cannot listen at " + path + ": " + Errno.name(-result));
            }
        }

        /// Waits a moment for the other process.
        ///
        /// @return null if it has not connected yet
        /// @throws IOException if it cannot be accepted
        public @Nullable MessageSocket accept() throws IOException {
            int result = ServerCalls.accept4(fd.number(), CLOEXEC);
            if (result == -Errno.EAGAIN || result == -Errno.EINTR) {
                return null;
            }
            if (result < 0) {
                throw new IOException("cannot accept a connection: " + Errno.name(-result));
            }
            return new MessageSocket(OwnedFd.of("accept4", result, ""));
        }

        /// Deletes the file of [#replace], unless another file has taken its place.
        public void remove() throws IOException {
            if (path != null && key != null) {
                SocketFile.delete(path, key);
            }
        }

        /// Stops listening. The file stays.
        @Override
        public void close() {
            fd.close();
        }
    }
}
