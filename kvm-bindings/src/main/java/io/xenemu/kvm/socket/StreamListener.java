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
/// file has mode 0600, and so the service's user and root may connect. Another process can take it over with the
/// clients that wait: it listens on without a gap.
///
/// Not thread-safe.
public final class StreamListener implements AutoCloseable {
    /// Clients of a console that wait until they are accepted. Further ones wait in connect(2), or get EAGAIN.
    private static final int BACKLOG = 8;

    /// The same for a service with many clients.
    private static final int LONG_BACKLOG = 128;

    private static final int NONBLOCK_CLOEXEC = 0x800 | 0x80000;
    private static final int SOCK_STREAM = 1;
    private static final int OWNER_ONLY = 0600;

    /// Made early: without a descriptor no class can be loaded from a file.
    private static final String NO_DESCRIPTOR = "accept4: " + Errno.name(Errno.EMFILE);

    private final OwnedFd fd;
    private final Path path;
    private @Nullable Object key;

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
        SocketFile.checkReplaceable(path);
        return bind(path, path, BACKLOG);
    }

    /// The same for a service with many clients. The socket takes its path at once, also from a leftover.
    ///
    /// @throws IOException as [#bind]
    public static StreamListener bindService(Path path) throws IOException {
        SocketFile.checkReplaceable(path);
        return prepare(path).publish();
    }

    /// Makes a socket of a service for `path` that nobody finds yet.
    ///
    /// @throws IOException if it cannot be made; the message names the path
    public static Prepared prepare(Path path) throws IOException {
        Path fresh = SocketFile.fresh(path);
        return new Prepared(bind(fresh, path, LONG_BACKLOG), fresh);
    }

    /// A listening socket that takes its path later, in place of another process's socket if there is one.
    public static final class Prepared implements AutoCloseable {
        private final StreamListener listener;
        private final Path fresh;
        private boolean published;

        private Prepared(StreamListener listener, Path fresh) {
            this.listener = listener;
            this.fresh = fresh;
        }

        /// Takes the path, at once.
        ///
        /// @throws IOException if that fails; the socket is closed then
        public StreamListener publish() throws IOException {
            try {
                SocketFile.publish(fresh, listener.path);
                published = true;
            } finally {
                // Does nothing if it has its path.
                close();
            }
            return listener;
        }

        /// Gives it up, unless it has its path.
        @Override
        public void close() throws IOException {
            if (!published) {
                listener.fd.close();
                Files.deleteIfExists(fresh);
            }
        }
    }

    /// Takes over a listening socket that another process has sent. Its file is that process's until [#ownFile].
    ///
    /// @param descriptor does not wait (`O_NONBLOCK`)
    /// @param path of its file
    public static StreamListener received(int descriptor, Path path) {
        return new StreamListener(OwnedFd.of("recvmsg", descriptor, path.toString()), path, null);
    }

    /// The listening Unix socket that is this process's standard input, as systemd passes it for a `.socket` unit. Its
    /// creator keeps its file. Null if standard input is something else.
    ///
    /// @throws IOException if it cannot be used
    public static @Nullable StreamListener inherited() throws IOException {
        Path path = StandardInput.listener();
        return path == null ? null : received(StandardInput.nonBlocking(), path);
    }

    private static StreamListener bind(Path at, Path path, int backlog) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            return bind(at, path, SocketFile.address(arena, at), backlog);
        }
    }

    private static StreamListener bind(Path at, Path path, MemorySegment address, int backlog)
            throws IOException {
        OwnedFd fd =
                OwnedFd.of(
                        "socket",
                        StreamCalls.socket(SocketFile.AF_UNIX, SOCK_STREAM | NONBLOCK_CLOEXEC, 0),
                        path.toString());
        boolean made = false;
        boolean done = false;
        try {
            if (SocketFile.isSocket(at)) {
                Files.delete(at);
            }
            check(ServerCalls.fchmod(fd.number(), OWNER_ONLY), path);
            check(ServerCalls.bind(fd.number(), address), path);
            made = true;
            Object key = SocketFile.key(at);
            check(ServerCalls.listen(fd.number(), backlog), path);
            done = true;
            return new StreamListener(fd, path, key);
        } finally {
            if (!done) {
                fd.close();
            }
            if (made && !done) {
                Files.deleteIfExists(at);
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
                    case Errno.ENOTDIR -> "Not a directory";
                    case Errno.EROFS -> "Read-only file system";
                    case Errno.ENOSPC -> "No space left on device";
                    default -> Errno.name(-result);
                };
        throw new IOException("cannot listen at " + path + ": " + reason);
    }

    /// The descriptor's number, for [io.xenemu.kvm.thread.Epoll]. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// The socket's file.
    public Path path() {
        return path;
    }

    /// Owns the file that is at the path now: [#close] removes it.
    ///
    /// @throws IOException if there is none
    public void ownFile() throws IOException {
        key = SocketFile.key(path);
    }

    /// Leaves the file to another process, which listens on: [#close] does not remove it.
    public void leaveFile() {
        key = null;
    }

    /// Accepts the client that waits longest.
    ///
    /// @return null if none waits, or it has left
    /// @throws IOException if it cannot be accepted now: it waits on
    public @Nullable ByteStream accept() throws IOException {
        int result;
        do {
            result = ServerCalls.accept4(fd.number(), NONBLOCK_CLOEXEC);
        } while (result == -Errno.EINTR);
        if (result == -Errno.EAGAIN || result == -Errno.ECONNABORTED) {
            return null;
        }
        if (result < 0) {
            throw new IOException(
                    -result == Errno.EMFILE ? NO_DESCRIPTOR : "accept4: " + Errno.name(-result));
        }
        return new ByteStream(OwnedFd.of("accept4", result, path.toString()));
    }

    /// Stops listening, and removes the file unless another has taken its place.
    @Override
    public void close() throws IOException {
        fd.close();
        Object own = key;
        if (own != null) {
            SocketFile.delete(path, own);
        }
    }

    @Override
    public String toString() {
        return path.toString();
    }
}
