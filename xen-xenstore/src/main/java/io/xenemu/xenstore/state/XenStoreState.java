package io.xenemu.xenstore.state;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.Request;
import java.util.List;
import java.util.Map;

/// A store, or the part of it that belongs to a domain, as plain values. Rings' pages are guest memory and are saved
/// with it. Clients of this process are not saved: they connect and watch again.
///
/// @param nodes parents before children, siblings in order of creation
/// @param special permissions of `@introduceDomain`, `@releaseDomain` and the like
/// @param quotas limits that apply to a domain by default, or to the whole store
/// @param descriptors the descriptors that a daemon that replaces this one in its process would take over
/// @param domains the introduced domains
/// @param sockets connections on sockets; known only where they can be taken over
public record XenStoreState(
        List<NodeState> nodes,
        List<SpecialState> special,
        List<QuotaState> quotas,
        Descriptors descriptors,
        List<DomainState> domains,
        List<SocketState> sockets) {
    public XenStoreState {
        nodes = List.copyOf(nodes);
        special = List.copyOf(special);
        quotas = List.copyOf(quotas);
        domains = List.copyOf(domains);
        sockets = List.copyOf(sockets);
    }

    /// Only nodes and special permissions: the state that does not depend on any connection.
    public static XenStoreState ofNodes(List<NodeState> nodes, List<SpecialState> special) {
        return new XenStoreState(nodes, special, List.of(), Descriptors.NONE, List.of(), List.of());
    }

    /// Whether this is a whole store, not the part of one that belongs to a domain.
    public boolean isWhole() {
        return !nodes.isEmpty() && nodes.getFirst().path().isRoot();
    }

    /// This state without connections on sockets: their clients have to connect again.
    public XenStoreState withoutSockets() {
        return new XenStoreState(nodes, special, quotas, descriptors, domains, List.of());
    }

    /// This state with connections on sockets.
    ///
    /// @param listener the descriptor of the socket that takes connections
    public XenStoreState withSockets(int listener, List<SocketState> clients) {
        return new XenStoreState(
                nodes,
                special,
                quotas,
                new Descriptors(listener, descriptors.events()),
                domains,
                clients);
    }

    /// This state without any connection: neither domains, whose nodes stay, nor sockets.
    public XenStoreState withoutConnections() {
        return new XenStoreState(nodes, special, quotas, descriptors, List.of(), List.of());
    }

    /// This state without the connection of a domain, whose nodes stay.
    public XenStoreState without(DomId domain) {
        List<DomainState> others =
                domains.stream().filter(d -> !d.domain().equals(domain)).toList();
        return new XenStoreState(nodes, special, quotas, descriptors, others, sockets);
    }

    /// This state with the event channel port of a domain's ring as it is now.
    ///
    /// @param port as in [DomainState]
    public XenStoreState withPort(DomId domain, int port) {
        List<DomainState> changed =
                domains.stream()
                        .map(d -> d.domain().equals(domain) ? d.withPort(port) : d)
                        .toList();
        return new XenStoreState(nodes, special, quotas, descriptors, changed, sockets);
    }

    /// One node.
    ///
    /// @param ordinal its place among its siblings
    /// @param generation the number that DIRECTORY_PART reports: a listing in several parts can continue with it.
    // The tree's own array, which nobody modifies; equality is the codec's.
    @SuppressWarnings("ArrayRecordComponent")
    public record NodeState(
            Path path, byte[] value, Permissions permissions, long ordinal, long generation) {}

    /// The permissions of a special event.
    ///
    /// @param path a special name
    public record SpecialState(Path path, Permissions permissions) {}

    /// One limit, with its name in GET_QUOTA. A name that this store does not know is kept for the next store.
    ///
    /// @param name ISO 8859-1, without NUL
    /// @param value unsigned; 0 for no limit
    /// @param global whether it applies to the whole store instead of each domain
    public record QuotaState(String name, int value, boolean global) {
        /// Longest name in bytes. Xen's longest has 19.
        public static final int NAME_MAX = 256;
    }

    /// File descriptors of the process that serves the store.
    ///
    /// @param listener the socket that takes connections; -1 for none
    /// @param events the event channel device; -1 for none
    public record Descriptors(int listener, int events) {
        /// No descriptors.
        public static final Descriptors NONE = new Descriptors(-1, -1);
    }

    /// One introduced domain.
    ///
    /// @param target the domain that it may also act as; itself if none
    /// @param shutdown whether `@releaseDomain` has fired for its shutdown
    /// @param failed whether its ring is in the error state
    /// @param gfn guest frame of its ring; 0 if not known
    /// @param port event channel port of its ring, in the domain; 0 if not known
    /// @param features the feature word of its ring's page; [#FEATURES_UNKNOWN] to leave it as it is
    /// @param quotas its own limits
    public record DomainState(
            DomId domain,
            DomId target,
            boolean shutdown,
            boolean failed,
            long gfn,
            int port,
            int features,
            List<QuotaState> quotas,
            ConnectionState connection) {
        /// A feature word that is not known.
        public static final int FEATURES_UNKNOWN = -1;

        public DomainState {
            quotas = List.copyOf(quotas);
        }

        private DomainState withPort(int now) {
            return new DomainState(
                    domain, target, shutdown, failed, gfn, now, features, quotas, connection);
        }
    }

    /// One connection on a socket, with the rights of domain 0.
    ///
    /// @param descriptor its file descriptor in the process that serves it
    public record SocketState(int descriptor, ConnectionState connection) {}

    /// The state that every kind of connection has.
    ///
    /// @param input bytes taken off the transport and not handled yet; for a ring, a part of a request
    /// @param output bytes that the client has not read; may start within a message
    /// @param watches in order of registration
    /// @param transactions the open transactions
    @SuppressWarnings("ArrayRecordComponent") // copied when made; equality is the codec's
    public record ConnectionState(
            byte[] input,
            byte[] output,
            List<WatchState> watches,
            List<TransactionState> transactions) {
        public ConnectionState {
            watches = List.copyOf(watches);
            transactions = List.copyOf(transactions);
        }

        /// Whether the input contains a whole request, or can never become one. No ring's input does: a whole request
        /// is handled at once.
        public boolean hasWholeRequest() {
            return MessageHeader.isWhole(input, 0, input.length);
        }
    }

    /// One watch.
    ///
    /// @param depth the number of levels below the path that it covers; [#UNLIMITED] for all
    // The watch's own array, which nobody modifies; equality is the codec's.
    @SuppressWarnings("ArrayRecordComponent")
    public record WatchState(Path path, byte[] token, boolean relative, int depth) {
        /// A depth without limit.
        public static final int UNLIMITED = -1;
    }

    /// One open transaction: its changes and its dependencies, not its snapshot. It continues in the restored tree,
    /// where by its dependencies it would have given the same answers.
    ///
    /// @param doomed whether it was in conflict already, so that its commit must fail with EAGAIN
    /// @param changes in order
    /// @param dependencies by path, the aspects that must not change: [#ABSENT] and the others, as bits
    public record TransactionState(
            int id, boolean doomed, List<Request.Change> changes, Map<Path, Integer> dependencies) {
        /// There was no such node.
        public static final int ABSENT = 1;

        /// There was such a node.
        public static final int EXISTS = 2;

        /// Its value was read.
        public static final int VALUE = 4;

        /// Its permissions were read or checked.
        public static final int PERMISSIONS = 8;

        /// Its children were listed.
        public static final int CHILDREN = 16;

        /// All aspects together.
        public static final int ALL = 31;

        public TransactionState {
            changes = List.copyOf(changes);
            dependencies = Map.copyOf(dependencies);
        }
    }
}
