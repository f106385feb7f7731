package io.xenemu.kvm.socket;

import java.io.IOException;
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
    private final @Nullable Set<UserPrincipal> allowed;

    private PeerCredentials(@Nullable Set<UserPrincipal> allowed) {
        this.allowed = allowed;
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
        return new PeerCredentials(own.equals(root) ? Set.of(root) : Set.of(root, own));
    }

    /// Accepts every user that the mode of a socket's file lets connect. For a socket that never exists with a wider
    /// mode.
    public static PeerCredentials ofFileMode() {
        return new PeerCredentials(null);
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
            throw new ForeignPeerException(peer.user());
        }
        return peer.user();
    }

    /// A user has connected that may not.
    public static final class ForeignPeerException extends IOException {
        private static final long serialVersionUID = 1L;

        ForeignPeerException(UserPrincipal user) {
            super("user " + user.getName() + " may not connect");
        }
    }
}
