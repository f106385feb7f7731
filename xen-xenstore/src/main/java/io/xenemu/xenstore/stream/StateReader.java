package io.xenemu.xenstore.stream;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.ConnectionState;
import io.xenemu.xenstore.state.XenStoreState.Descriptors;
import io.xenemu.xenstore.state.XenStoreState.DomainState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.state.XenStoreState.QuotaState;
import io.xenemu.xenstore.state.XenStoreState.SocketState;
import io.xenemu.xenstore.state.XenStoreState.SpecialState;
import io.xenemu.xenstore.state.XenStoreState.TransactionState;
import io.xenemu.xenstore.state.XenStoreState.WatchState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.MessageHeader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Collects records into a state, and checks their references.
final class StateReader {
    /// A connection and what has come for it.
    private record Client(
            StreamRecord.Connection connection,
            DomId domain,
            List<WatchState> watches,
            Map<Integer, List<PendingTransaction.Pending>> transactions) {}

    private final RecordReader in;
    private final Map<Integer, Client> clients = new LinkedHashMap<>();
    private final Map<Integer, Client> rings = new LinkedHashMap<>();
    private final Map<Integer, StreamRecord.Domain> domainData = new HashMap<>();
    private final Map<Path, NodeState> nodes = new LinkedHashMap<>();
    private final Map<Path, Permissions> special = new LinkedHashMap<>();
    private @Nullable Descriptors descriptors;
    private @Nullable List<QuotaState> quotas;

    StateReader(RecordReader in) {
        this.in = in;
    }

    XenStoreState read() throws IOException {
        for (StreamRecord next = in.next(); next != null; next = in.next()) {
            try {
                take(next);
            } catch (XenError e) {
                throw new WireException("invalid path in a xenstore stream", e);
            }
        }
        return state();
    }

    private void take(StreamRecord next) throws WireException, XenError {
        switch (next) {
            case StreamRecord.Global(int listener, int events) -> {
                require(descriptors == null, "descriptors twice");
                descriptors = new Descriptors(listener, events);
            }
            case StreamRecord.GlobalQuota(
                            List<StreamRecord.Quota> domain,
                            List<StreamRecord.Quota> global) -> {
                require(quotas == null, "quotas twice");
                List<QuotaState> all = new ArrayList<>(quotas(domain, false));
                all.addAll(quotas(global, true));
                quotas = all;
            }
            case StreamRecord.Connection connection -> connection(connection);
            case StreamRecord.Watch watch -> watch(watch);
            case StreamRecord.Transaction(int connection, int id) -> {
                require(id != 0, "transaction 0");
                boolean fresh =
                        client(connection).transactions.putIfAbsent(id, new ArrayList<>()) == null;
                require(fresh, "a transaction twice");
            }
            case StreamRecord.Node node when node.connection() != 0 -> pending(node);
            case StreamRecord.Node node -> node(node);
            case StreamRecord.Domain domain ->
                    require(
                            domainData.putIfAbsent(domain.domain(), domain) == null,
                            "a domain twice");
        }
    }

    private static void require(boolean fine, String problem) throws WireException {
        if (!fine) {
            throw new WireException("xenstore stream: " + problem);
        }
    }

    private static List<QuotaState> quotas(List<StreamRecord.Quota> quotas, boolean global) {
        return quotas.stream()
                .map(quota -> new QuotaState(quota.name(), quota.value(), global))
                .toList();
    }

    private void connection(StreamRecord.Connection connection) throws WireException {
        DomId domain = DomId.DOM0;
        if (connection.transport() instanceof StreamRecord.RingTransport ring) {
            domain = new DomId(ring.domain());
            require(ring.domain() < DomId.FIRST_RESERVED, "a ring of " + domain);
        }
        Client client = new Client(connection, domain, new ArrayList<>(), new LinkedHashMap<>());
        require(connection.id() != 0, "connection 0");
        require(clients.putIfAbsent(connection.id(), client) == null, "a connection twice");
        if (connection.transport() instanceof StreamRecord.RingTransport ring) {
            require(rings.putIfAbsent(ring.domain(), client) == null, "two rings of " + domain);
        }
    }

    private Client client(int id) throws WireException {
        Client client = clients.get(id);
        if (client == null) {
            throw new WireException("xenstore stream: no connection " + id);
        }
        return client;
    }

    private void watch(StreamRecord.Watch watch) throws WireException, XenError {
        Client client = client(watch.connection());
        byte[] text = watch.path();
        Path path = Path.parseWatchable(text, 0, text.length, Path.ofDomain(client.domain));
        require(watch.token().length <= MessageHeader.PAYLOAD_MAX, "a token is too long");
        client.watches.add(
                new WatchState(
                        path,
                        watch.token(),
                        text[0] != '/' && text[0] != '@',
                        watch.depth() == StreamRecord.Watch.UNLIMITED
                                ? WatchState.UNLIMITED
                                : watch.depth()));
    }

    private static Path absolute(byte[] text) throws WireException, XenError {
        require(text.length > 0 && (text[0] == '/' || text[0] == '@'), "a node's path is relative");
        return Path.parseWatchable(text, 0, text.length, Path.ROOT);
    }

    private void node(StreamRecord.Node node) throws WireException, XenError {
        Path path = absolute(node.path());
        Permissions permissions = node.permissions();
        if (permissions == null) {
            throw new WireException("xenstore stream: a node without owner: " + path);
        }
        require(node.value().length <= MessageHeader.PAYLOAD_MAX, "a value is too long: " + path);
        if (path.isSpecial()) {
            require(node.value().length == 0, "a special event with a value: " + path);
            require(special.putIfAbsent(path, permissions) == null, path + " twice");
            return;
        }
        require(!path.isRoot() || nodes.isEmpty(), "the root is not the first node");
        require(
                !isWhole() || nodes.containsKey(path.isRoot() ? path : path.parent()),
                "a node before its parent: " + path);
        long number = nodes.size() + 1L;
        NodeState state = new NodeState(path, node.value(), permissions, number, number);
        require(nodes.putIfAbsent(path, state) == null, path + " twice");
    }

    private boolean isWhole() {
        return nodes.containsKey(Path.ROOT);
    }

    private void pending(StreamRecord.Node node) throws WireException, XenError {
        Path path = absolute(node.path());
        List<PendingTransaction.Pending> transaction =
                client(node.connection()).transactions.get(node.transaction());
        if (transaction == null) {
            throw new WireException("xenstore stream: no such transaction of a node: " + path);
        }
        require(node.value().length <= MessageHeader.PAYLOAD_MAX, "a value is too long: " + path);
        Permissions permissions = node.permissions();
        PendingView.Contents contents =
                permissions == null ? null : new PendingView.Contents(node.value(), permissions);
        transaction.add(new PendingTransaction.Pending(path, node.access(), contents));
    }

    private XenStoreState state() throws WireException {
        List<DomainState> domains = new ArrayList<>();
        List<SocketState> sockets = new ArrayList<>();
        Map<Path, NodeState> store = new HashMap<>(nodes);
        specialStates().forEach(state -> store.put(state.path(), PendingView.node(state)));
        for (Client client : clients.values()) {
            ConnectionState state = connectionState(client, store);
            switch (client.connection.transport()) {
                case StreamRecord.RingTransport ring ->
                        domains.add(domainState(client.domain, ring, state));
                case StreamRecord.SocketTransport(int descriptor) ->
                        sockets.add(new SocketState(descriptor, state));
            }
        }
        return new XenStoreState(
                List.copyOf(nodes.values()),
                specialStates(),
                quotas == null ? List.of() : quotas,
                descriptors == null ? Descriptors.NONE : descriptors,
                domains,
                sockets);
    }

    private List<SpecialState> specialStates() {
        return special.entrySet().stream()
                .map(entry -> new SpecialState(entry.getKey(), entry.getValue()))
                .toList();
    }

    private DomainState domainState(
            DomId domain, StreamRecord.RingTransport ring, ConnectionState state) {
        StreamRecord.Domain data = domainData.get(domain.value());
        boolean hasTarget = ring.target() != StreamRecord.RingTransport.NO_TARGET;
        return new DomainState(
                domain,
                hasTarget ? new DomId(ring.target()) : domain,
                false,
                false,
                0,
                ring.port(),
                data == null || in.version() == 1 ? DomainState.FEATURES_UNKNOWN : data.features(),
                data == null ? List.of() : quotas(data.quotas(), false),
                state);
    }

    private ConnectionState connectionState(Client client, Map<Path, NodeState> store)
            throws WireException {
        List<TransactionState> transactions = new ArrayList<>();
        for (Map.Entry<Integer, List<PendingTransaction.Pending>> entry :
                client.transactions.entrySet()) {
            transactions.add(
                    new PendingTransaction(store, isWhole(), client.domain)
                            .state(entry.getKey(), entry.getValue()));
        }
        return new ConnectionState(
                client.connection.input(),
                client.connection.output(),
                client.watches,
                transactions);
    }
}
