package io.xenemu.kvm.socket;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import org.jspecify.annotations.Nullable;

/// A listening Unix-domain socket together with its file, which has mode 0600, or 0660 for a group.
public final class UnixListener implements AutoCloseable {
    private static final int BACKLOG = 128;

    /// A new socket in a folder of its own. It is short: a socket's path has 107 bytes at most.
    private static final String FRESH = "s";

    private final Path path;
    private final ServerSocketChannel channel;
    private final @Nullable Object fileKey;

    private UnixListener(Path path, ServerSocketChannel channel, @Nullable Object fileKey) {
        this.path = path;
        this.channel = channel;
        this.fileKey = fileKey;
    }

    /// Listens at `path`. Replaces a socket file that a service left there and no longer serves.
    ///
    /// @throws IOException if another process serves it, if the file is not a socket, or if it cannot be made; the
    ///     message names the path
    public static UnixListener bind(Path path) throws IOException {
        SocketFile.checkReplaceable(path);
        return prepare(path).publish();
    }

    /// Makes a socket for `path` that nobody finds yet.
    ///
    /// @throws IOException if it cannot be made; the message names the path
    public static Prepared prepare(Path path) throws IOException {
        return prepare(
                path,
                SocketFile.fresh(path),
                null,
                file ->
                        Files.setPosixFilePermissions(
                                file, PosixFilePermissions.fromString("rw-------")));
    }

    /// A listening socket that takes its path later, in place of another process's socket if there is one.
    public static final class Prepared implements AutoCloseable {
        private final Path path;
        private final Path fresh;
        private final @Nullable Path folder;
        private final ServerSocketChannel channel;
        private final @Nullable Object key;
        private boolean published;

        private Prepared(
                Path path,
                Path fresh,
                @Nullable Path folder,
                ServerSocketChannel channel,
                @Nullable Object key) {
            this.path = path;
            this.fresh = fresh;
            this.folder = folder;
            this.channel = channel;
            this.key = key;
        }

        /// Takes the path, at once.
        ///
        /// @throws IOException if that fails; the socket is closed then
        public UnixListener publish() throws IOException {
            try {
                SocketFile.publish(fresh, path);
                published = true;
            } finally {
                close();
            }
            return new UnixListener(path, channel, key);
        }

        /// Gives it up, unless it has its path.
        @Override
        public void close() throws IOException {
            try {
                if (!published) {
                    channel.close();
                    Files.deleteIfExists(fresh);
                }
            } finally {
                if (folder != null) {
                    Files.deleteIfExists(folder);
                }
            }
        }
    }

    /// Listens at `path` for a group, with mode 0660. Nobody else can connect, not even before the file has its mode:
    /// until then it is in a folder of its own.
    ///
    /// @throws IOException also if there is no such group, or this process may not give a file to it
    public static UnixListener bind(Path path, String group) throws IOException {
        SocketFile.checkReplaceable(path);
        return prepare(path, group).publish();
    }

    /// Makes a socket for a group that nobody finds yet.
    ///
    /// @throws IOException also if there is no such group, or this process may not give a file to it
    public static Prepared prepare(Path path, String group) throws IOException {
        Path folder = SocketFile.fresh(path);
        try {
            // Of a process of our number that was killed just here.
            Files.deleteIfExists(folder.resolve(FRESH));
            Files.deleteIfExists(folder);
            Files.createDirectory(
                    folder,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw new IOException("cannot listen at " + path + ": " + SocketFile.reason(e), e);
        }
        return prepare(path, folder.resolve(FRESH), folder, file -> give(file, group));
    }

    private static void give(Path file, String group) throws IOException {
        try {
            GroupPrincipal members =
                    file.getFileSystem()
                            .getUserPrincipalLookupService()
                            .lookupPrincipalByGroupName(group);
            Files.getFileAttributeView(file, PosixFileAttributeView.class).setGroup(members);
        } catch (UserPrincipalNotFoundException e) {
            throw new IOException("there is no group " + group, e);
        } catch (IOException e) {
            throw new IOException(
                    "it cannot be given to group " + group + ": " + SocketFile.reason(e), e);
        }
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw----"));
    }

    /// Gives a new socket file its owner and mode.
    private interface Admission {
        void apply(Path file) throws IOException;
    }

    private static Prepared prepare(
            Path path, Path fresh, @Nullable Path folder, Admission admission) throws IOException {
        // The socket gets its name after its mode, so that it never exists with a wider one, and a
        // leftover is replaced at once.
        ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            if (SocketFile.isSocket(fresh)) {
                Files.delete(fresh); // of a process of our number that was killed just here
            }
            channel.bind(UnixDomainSocketAddress.of(fresh), BACKLOG);
            admission.apply(fresh);
            return new Prepared(path, fresh, folder, channel, SocketFile.key(fresh));
        } catch (IOException e) {
            channel.close();
            discard(fresh, folder, e);
            throw new IOException("cannot listen at " + path + ": " + SocketFile.reason(e), e);
        }
    }

    /// Removes the new socket file, which could not be made as it should be.
    private static void discard(Path fresh, @Nullable Path folder, IOException failure) {
        try {
            if (SocketFile.isSocket(fresh)) {
                Files.delete(fresh);
            }
            if (folder != null) {
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            failure.addSuppressed(e); // the first says more
        }
    }

    /// The socket's file.
    public Path path() {
        return path;
    }

    /// The listening socket. Only this object closes it.
    public ServerSocketChannel channel() {
        return channel;
    }

    /// Stops listening, and removes the file unless another process has replaced it since.
    @Override
    public void close() throws IOException {
        channel.close();
        if (fileKey != null) {
            SocketFile.delete(path, fileKey);
        }
    }
}
