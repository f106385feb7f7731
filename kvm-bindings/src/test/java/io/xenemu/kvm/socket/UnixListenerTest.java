package io.xenemu.kvm.socket;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
final class UnixListenerTest {
    @TempDir private Path folder = Path.of("");

    private Path path() {
        return folder.resolve("socket");
    }

    private void assertRefused(String reason) {
        IOException refused =
                assertThrows(IOException.class, () -> UnixListener.bind(path()).close());
        assertEquals("cannot listen at " + path() + ": " + reason, refused.getMessage());
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(path()));
    }

    private void leaveBehind(Path at) throws IOException {
        ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        dead.bind(UnixDomainSocketAddress.of(at));
        dead.close();
        assertTrue(Files.exists(at));
    }

    @Test
    void socketIsForItsOwnerOnlyAndIsRemovedWhenClosed() throws IOException {
        try (UnixListener listener = UnixListener.bind(path())) {
            assertEquals(
                    "rw-------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(path())));
            try (SocketChannel _ = connect();
                    SocketChannel accepted = listener.channel().accept()) {
                assertTrue(accepted.isConnected());
            }
        }
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(0, left.count());
        }
    }

    @Test
    void preparedSocketTakesThePathOfAServiceAtOnce() throws IOException {
        UnixListener next;
        try (UnixListener old = UnixListener.bind(path());
                UnixListener.Prepared prepared = UnixListener.prepare(path())) {
            try (SocketChannel client = connect();
                    SocketChannel accepted = old.channel().accept()) {
                assertTrue(client.isConnected() && accepted.isConnected());
            }
            next = prepared.publish();
        }
        // The old one leaves the new one's file.
        try (next;
                SocketChannel _ = connect();
                SocketChannel accepted = next.channel().accept()) {
            assertTrue(accepted.isConnected());
        }
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(0, left.count());
        }
    }

    @Test
    void preparedSocketThatIsGivenUpLeavesTheServiceAlone() throws IOException {
        try (UnixListener old = UnixListener.bind(path())) {
            UnixListener.prepare(path()).close();
            try (SocketChannel _ = connect();
                    SocketChannel accepted = old.channel().accept()) {
                assertTrue(accepted.isConnected());
            }
        }
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(0, left.count());
        }
    }

    @Test
    void leftoverSocketIsReplaced() throws IOException {
        leaveBehind(path());
        try (UnixListener _ = UnixListener.bind(path());
                SocketChannel client = connect()) {
            assertTrue(client.isConnected());
        }
    }

    @Test
    void servedSocketIsLeftAlone() throws IOException {
        try (UnixListener _ = UnixListener.bind(path())) {
            assertRefused("it is in use");
            assertTrue(connect().isConnected());
        }
    }

    @Test
    void fileThatIsNoSocketIsLeftAlone() throws IOException {
        Files.writeString(path(), "precious");
        assertRefused("it exists and is not a socket");
        assertEquals("precious", Files.readString(path()));

        Files.delete(path());
        Files.createDirectory(path());
        assertRefused("it exists and is not a socket");
        assertTrue(Files.isDirectory(path()));

        Files.delete(path());
        leaveBehind(folder.resolve("other"));
        Files.createSymbolicLink(path(), folder.resolve("other"));
        assertRefused("it exists and is not a socket");
        assertTrue(Files.isSymbolicLink(path()));

        Files.delete(path());
        Files.createSymbolicLink(path(), folder.resolve("nowhere"));
        assertRefused("it exists and is not a socket");
    }

    @Test
    void missingFolderIsReportedWithItsPath() {
        Path deep = folder.resolve("a/b");
        IOException refused =
                assertThrows(IOException.class, () -> UnixListener.bind(deep).close());
        assertTrue(
                String.valueOf(refused.getMessage()).startsWith("cannot listen at " + deep + ": "));
    }

    @Test
    void fileOfASuccessorIsLeftAlone() throws IOException {
        UnixListener first = UnixListener.bind(path());
        Files.delete(path());
        try (UnixListener _ = UnixListener.bind(path())) {
            first.close();
            assertTrue(connect().isConnected());
        }
        UnixListener second = UnixListener.bind(path());
        Files.delete(path());
        Files.createFile(path());
        second.close();
        assertTrue(Files.exists(path(), LinkOption.NOFOLLOW_LINKS));
    }

    @Test
    void ownUserAndRootMayConnect() throws IOException {
        PeerCredentials allowed = PeerCredentials.ofThisProcess();
        UserPrincipalLookupService users = folder.getFileSystem().getUserPrincipalLookupService();
        UserPrincipal own = Files.getOwner(folder);
        assertTrue(allowed.allows(own));
        assertTrue(allowed.allows(users.lookupPrincipalByName("0")));
        assertFalse(allowed.allows(users.lookupPrincipalByName("54321")));
        assertFalse(allowed.allows(users.lookupPrincipalByGroupName("0")));
        try (UnixListener listener = UnixListener.bind(path());
                SocketChannel _ = connect();
                SocketChannel accepted = listener.channel().accept()) {
            assertEquals(own, allowed.check(accepted));
        }
    }

    /// Needs root, setpriv and perl, to be another user.
    @Test
    void anotherUserIsRefusedThoughTheFileIsOpenToAll() throws Exception {
        String setpriv = Tool.need("setpriv", "util-linux");
        String perl = Tool.need("perl", "perl-base");
        assumeTrue(Files.getOwner(folder).getName().equals("root"), "needs root");
        try (UnixListener listener = UnixListener.bind(path())) {
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
            Files.setPosixFilePermissions(path(), PosixFilePermissions.fromString("rw-rw-rw-"));
            Process other =
                    new ProcessBuilder(
                                    setpriv,
                                    "--reuid=54321",
                                    "--clear-groups",
                                    perl,
                                    "-MSocket",
                                    "-e",
                                    "socket(S, PF_UNIX, SOCK_STREAM, 0) or die; connect(S,"
                                            + " sockaddr_un($ARGV[0])) or die $!; sysread(S, $x, 1)",
                                    path().toString())
                            .inheritIO()
                            .start();
            try (SocketChannel accepted = listener.channel().accept()) {
                PeerCredentials allowed = PeerCredentials.ofThisProcess();
                PeerCredentials.ForeignPeerException refused =
                        assertThrows(
                                PeerCredentials.ForeignPeerException.class,
                                () -> allowed.check(accepted));
                assertEquals("user 54321 may not connect", refused.getMessage());
            }
            assertEquals(0, other.waitFor());
        }
    }
}
