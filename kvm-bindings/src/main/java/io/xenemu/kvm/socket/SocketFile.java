package io.xenemu.kvm.socket;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.file.OpenFlags;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/// The file of a listening Unix-domain socket. A service that was killed leaves it.
final class SocketFile {
    /// The family of such sockets in `sys/socket.h`.
    static final int AF_UNIX = 1;

    /// Bytes of a path in `struct sockaddr_un`, with the zero at its end.
    private static final int PATH_BYTES = 108;

    /// `sizeof(struct sockaddr_un)`.
    static final int ADDRESS_BYTES = Short.BYTES + PATH_BYTES;

    private SocketFile() {}

    /// A path as `struct sockaddr_un`, for bind(2) and connect(2).
    ///
    /// @throws IOException if it is too long; the message names it
    static MemorySegment address(Arena arena, Path path) throws IOException {
        byte[] name = path.toString().getBytes(UTF_8);
        if (name.length >= PATH_BYTES) {
            throw new IOException("the path of a Unix socket is longer than 107 bytes: " + path);
        }
        MemorySegment address = arena.allocate(ADDRESS_BYTES, Long.BYTES);
        address.set(JAVA_SHORT, 0, (short) AF_UNIX);
        MemorySegment.copy(name, 0, address, JAVA_BYTE, Short.BYTES, name.length);
        return address;
    }

    /// Checks that a socket may take the place of what is there: nothing, or a socket that nobody serves any more.
    ///
    /// @throws IOException if it may not; the message names the path
    static void checkReplaceable(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!isSocket(path)) {
            throw new IOException("cannot listen at " + path + ": it exists and is not a socket");
        }
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            // A server whose queue is full would make it wait.
            probe.configureBlocking(false);
            boolean _ = probe.connect(UnixDomainSocketAddress.of(path));
        } catch (ConnectException e) {
            return; // nobody listens: a leftover
        } catch (IOException e) {
            throw new IOException("cannot listen at " + path + ": it exists: " + reason(e), e);
        }
        throw new IOException("cannot listen at " + path + ": it is in use");
    }

    /// Whether the file is a socket. A symbolic link to a socket does not count: replacing it would not replace the
    /// socket.
    static boolean isSocket(Path path) throws IOException {
        try {
            return Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS)
                            instanceof Integer mode
                    && (mode & OpenFlags.S_IFMT) == OpenFlags.S_IFSOCK;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    /// The identity of a file that exists.
    static @Nullable Object key(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
    }

    /// Deletes a socket's file, unless another file has taken its place.
    ///
    /// @param key the socket's identity
    static void delete(Path path, Object key) throws IOException {
        if (isSocket(path) && key.equals(key(path))) {
            Files.delete(path);
        }
    }

    /// The name of a new socket, in the same folder, before it takes its path. A process has one for each path.
    static Path fresh(Path path) {
        return path.resolveSibling(path.getFileName() + ".new" + ProcessHandle.current().pid());
    }

    /// Lets a new socket take its path, at once, also in place of another socket.
    ///
    /// @throws IOException if that fails; the message names the path
    static void publish(Path fresh, Path path) throws IOException {
        try {
            Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new IOException("cannot listen at " + path + ": " + reason(e), e);
        }
    }

    static @Nullable String reason(IOException e) {
        return e instanceof NoSuchFileException ? "no such directory" : IoReason.withoutFile(e);
    }
}
