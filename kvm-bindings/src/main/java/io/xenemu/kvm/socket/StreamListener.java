package io.xenemu.kvm.socket;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.ServerCalls;
import io.xenemu.kvm.libc.StreamCalls;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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

    private static final int NONBLOCK_CLOEXEC = 0x800 | 0x80000;
    private static final int SOCK_STREAM = 1;
    private static final int OWNER_ONLY = 0600;

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
        try (Arena arena = Arena.ofConfined()) {
            return bind(path, SocketFile.address(arena, path));
        }
    }

    private static StreamListener bind(Path path, MemorySegment address) throws IOException {
        SocketFile.checkReplaceable(path);
        OwnedFd fd =
                OwnedFd.of(
                        "socket",
                        StreamCalls.socket(SocketFile.AF_UNIX, SOCK_STREAM | NONBLOCK_CLOEXEC, 0),
                        path.toString());
        boolean done = false;
        try {
            if (SocketFile.isSocket(path)) {
                Files.delete(path);
            }
            check(ServerCalls.fchmod(fd.number(), OWNER_ONLY), path);
            check(ServerCalls.bind(fd.number(), address), path);
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
