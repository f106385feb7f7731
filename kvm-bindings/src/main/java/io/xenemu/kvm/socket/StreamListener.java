package io.xenemu.kvm.socket;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.ServerCalls;
import io.xenemu.kvm.libc.StreamCalls;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// A listening Unix-domain socket for a thread that waits with [io.xenemu.kvm.thread.Epoll]. Nothing of it waits. Its
/// file has mode 0600, and so the service's user and root may connect.
///
/// Not thread-safe.
public final class StreamListener implements AutoCloseable {
    /// Clients that wait until they are accepted. Further ones wait in connect(2), or get EAGAIN.
    private static final int BACKLOG = 8;

    private static final int AF_UNIX = 1;
    private static final int NONBLOCK_CLOEXEC = 0x800 | 0x80000;
    private static final int SOCK_STREAM = 1;
    private static final int OWNER_ONLY = 0600;

    /// Bytes of a path in `struct sockaddr_un`, with the zero at its end.
    private static final int PATH_BYTES = 108;

    private final OwnedFd fd;
    private final Path path;
    private final @Nullable Object key;

    private StreamListener(OwnedFd fd, Path path, @Nullable Object key) {
        this.fd = fd;
        this.path = path;
        this.key = key;
    }

    /// Listens at `path`. Replaces a socket file that a service left there and no longer serves.
    ///
    /// @throws IOException if another process serves it, if the file is not a socket, or if it cannot be made; the
    ///     message names the path
    /// @throws io.xenemu.kvm.abi.KvmException if the process has no descriptor left
    public static StreamListener bind(Path path) throws IOException {
        byte[] name = path.toString().getBytes(UTF_8);
        if (name.length >= PATH_BYTES) {
            throw new IOException("the path of a Unix socket is longer than 107 bytes: " + path);
        }
        SocketFile.checkReplaceable(path);
        OwnedFd fd =
                OwnedFd.of(
                        "socket",
                        StreamCalls.socket(AF_UNIX, SOCK_STREAM | NONBLOCK_CLOEXEC, 0),
                        path.toString());
        boolean done = false;
        try {
            if (SocketFile.isSocket(path)) {
                Files.delete(path);
            }
            check(ServerCalls.fchmod(fd.number(), OWNER_ONLY), path);
            bind(fd, name, path);
            Object key = SocketFile.key(path);
            check(ServerCalls.listen(fd.number(), BACKLOG), path);
            done = true;
            return new StreamListener(fd, path, key);
        } finally {
            if (!done) {
                fd.close();
            }
        }
    }

    private static void bind(OwnedFd fd, byte[] name, Path path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = arena.allocate(Short.BYTES + PATH_BYTES, Long.BYTES);
            address.set(ValueLayout.JAVA_SHORT, 0, (short) AF_UNIX);
            MemorySegment.copy(name, 0, address, ValueLayout.JAVA_BYTE, Short.BYTES, name.length);
            check(ServerCalls.bind(fd.number(), address), path);
        }
    }

    private static void check(int result, Path path) throws IOException {
        if (result >= 0) {
            return;
        }
        String reason =
                switch (-result) {
                    case Errno.ENOENT -> "no such directory";
                    case Errno.EACCES -> "permission denied";
                    default -> Errno.name(-result);
                };
        throw new IOException("cannot listen at " + path + ": " + reason);
    }

    /// The descriptor's number, for [io.xenemu.kvm.thread.Epoll]. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// Accepts the client that waits longest.
    ///
    /// @return null if none waits, or it cannot be accepted now: it waits on
    public @Nullable ByteStream accept() {
        int result;
        do {
            result = ServerCalls.accept4(fd.number(), NONBLOCK_CLOEXEC);
        } while (result == -Errno.EINTR);
        return result < 0 ? null : new ByteStream(OwnedFd.of("accept4", result, path.toString()));
    }

    /// Stops listening, and removes the file unless another has taken its place.
    @Override
    public void close() throws IOException {
        fd.close();
        if (key != null) {
            SocketFile.delete(path, key);
        }
    }

    @Override
    public String toString() {
        return path.toString();
    }
}
