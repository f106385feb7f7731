package io.xenemu.kvm.socket;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.util.Set;
import jdk.net.ExtendedSocketOptions;
import jdk.net.UnixDomainPrincipal;

/// Who may use a service's sockets, whatever the mode of their files: root, and the user that the service runs as. The
/// kernel vouches for the user (`SO_PEERCRED`, see `unix(7)`).
public final class PeerCredentials {
    private final Set<UserPrincipal> allowed;

    private PeerCredentials(Set<UserPrincipal> allowed) {
        this.allowed = allowed;
    }

    /// For the user that this process runs as.
    ///
    /// @throws IOException if the system does not tell who that is
    public static PeerCredentials ofThisProcess() throws IOException {
        Path self = Path.of("/proc/self");
        // A number is taken as one where no user has it for a name.
        UserPrincipal root =
                self.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("0");
        UserPrincipal own = Files.getOwner(self);
        return new PeerCredentials(own.equals(root) ? Set.of(root) : Set.of(root, own));
    }

    /// Whether a user may connect.
    public boolean allows(UserPrincipal user) {
        return allowed.contains(user);
    }

    /// Makes sure that the peer may connect.
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
