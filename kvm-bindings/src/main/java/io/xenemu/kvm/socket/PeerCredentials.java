package io.xenemu.kvm.socket;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.libc.ServerCalls;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.util.Set;
import jdk.net.ExtendedSocketOptions;
import jdk.net.UnixDomainPrincipal;
import org.jspecify.annotations.Nullable;

/// The users that may use a service's sockets. By default root and the user that the service runs as, whatever the mode
/// of the sockets' files. The kernel guarantees the peer's user (`SO_PEERCRED`, see `unix(7)`).
public final class PeerCredentials {
    /// `struct ucred`: pid, uid, gid.
    private static final int CREDENTIALS_BYTES = 12;

    private static final int UID = 4;
    private static final int SO_PEERCRED = 17;

    private final @Nullable Set<UserPrincipal> allowed;

    /// This process's user, who is in the set.
    private final int ownUser;

    private PeerCredentials(@Nullable Set<UserPrincipal> allowed, int ownUser) {
        this.allowed = allowed;
        this.ownUser = ownUser;
    }

    /// The users for the service that runs in this process.
    ///
    /// @throws IOException if the system does not say which user this process runs as
    public static PeerCredentials ofThisProcess() throws IOException {
        Path self = Path.of("/proc/self");
        // "0" is taken as a number unless a user has it as name.
        UserPrincipal root =
                self.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("0");
        UserPrincipal own = Files.getOwner(self);
        if (!(Files.getAttribute(self, "unix:uid") instanceof Integer user)) {
            throw new IOException("/proc/self has no owner");
        }
        return new PeerCredentials(own.equals(root) ? Set.of(root) : Set.of(root, own), user);
    }

    /// Accepts every user that the mode of a socket's file lets connect. For a socket that never exists with a wider
    /// mode.
    public static PeerCredentials ofFileMode() {
        return new PeerCredentials(null, 0);
    }

    /// Whether a user may connect.
    public boolean allows(UserPrincipal user) {
        return allowed == null || allowed.contains(user);
    }

    /// Checks that the peer may connect.
    ///
    /// @return the peer, for a log
    /// @throws ForeignPeerException if it may not
    /// @throws IOException if the connection has failed
    public UserPrincipal check(SocketChannel connection) throws IOException {
        UnixDomainPrincipal peer = connection.getOption(ExtendedSocketOptions.SO_PEERCRED);
        if (!allows(peer.user())) {
            throw new ForeignPeerException(peer.user().getName());
        }
        return peer.user();
    }

    /// Checks that the peer may connect.
    ///
    /// @return the peer's user id, for a log
    /// @throws ForeignPeerException if it may not
    /// @throws IOException if the connection has failed
    public int check(ByteStream connection) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment peer = arena.allocate(CREDENTIALS_BYTES, Integer.BYTES);
            int result =
                    ServerCalls.getsockopt(
                            connection.fd(), MessageSocket.SOL_SOCKET, SO_PEERCRED, peer);
            if (result < 0) {
                throw new IOException("SO_PEERCRED: " + Errno.name(-result));
            }
            int user = peer.get(ValueLayout.JAVA_INT, UID);
            if (allowed != null && user != 0 && user != ownUser) {
                throw new ForeignPeerException(Integer.toUnsignedString(user));
            }
            return user;
        }
    }

    /// A user has connected that may not.
    public static final class ForeignPeerException extends IOException {
        private static final long serialVersionUID = 1L;

        ForeignPeerException(String user) {
            super("user " + user + " may not connect");
        }
    }
}
