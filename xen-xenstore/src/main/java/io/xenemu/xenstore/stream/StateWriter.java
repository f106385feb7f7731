package io.xenemu.xenstore.stream;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.ConnectionState;
import io.xenemu.xenstore.state.XenStoreState.DomainState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.state.XenStoreState.QuotaState;
import io.xenemu.xenstore.state.XenStoreState.SocketState;
import io.xenemu.xenstore.state.XenStoreState.SpecialState;
import io.xenemu.xenstore.state.XenStoreState.TransactionState;
import io.xenemu.xenstore.state.XenStoreState.WatchState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Writes a state as records, in the order in which C xenstored writes and needs them. First come descriptors and
/// quotas, then connections with their watches and transactions, then nodes with parents first. The nodes that open
/// transactions have touched come last.
final class StateWriter {
    private static final byte[] NO_BYTES = new byte[0];

    private final XenStoreState state;
    private final int version;
    private final RecordWriter out;
    private int connections;

    StateWriter(XenStoreState state, int version, RecordWriter out) {
        this.state = state;
        this.version = version;
        this.out = out;
    }

    void write() throws IOException {
        if (!state.descriptors().equals(XenStoreState.Descriptors.NONE)) {
            out.write(
                    new StreamRecord.Global(
                            state.descriptors().listener(), state.descriptors().events()));
        }
        if (!state.quotas().isEmpty()) {
            out.write(
                    new StreamRecord.GlobalQuota(
                            quotas(state.quotas(), false), quotas(state.quotas(), true)));
        }
        for (DomainState domain : state.domains()) {
            connection(ring(domain), domain.connection(), Path.ofDomain(domain.domain()));
            domainData(domain);
        }
        for (SocketState socket : state.sockets()) {
            connection(
                    new StreamRecord.SocketTransport(socket.descriptor()),
                    socket.connection(),
                    Path.ofDomain(DomId.DOM0));
        }
        for (SpecialState special : state.special()) {
            node(special.path(), new PendingView.Contents(NO_BYTES, special.permissions()));
        }
        for (NodeState node : state.nodes()) {
            node(node.path(), new PendingView.Contents(node.value(), node.permissions()));
        }
        pendingNodes();
        out.end();
    }

    private static List<StreamRecord.Quota> quotas(List<QuotaState> quotas, boolean global) {
        return quotas.stream()
                .filter(quota -> quota.global() == global)
                .map(quota -> new StreamRecord.Quota(quota.name(), quota.value()))
                .toList();
    }

    private static StreamRecord.Transport ring(DomainState domain) {
        boolean hasTarget = !domain.target().equals(domain.domain());
        return new StreamRecord.RingTransport(
                domain.domain().value(),
                hasTarget ? domain.target().value() : StreamRecord.RingTransport.NO_TARGET,
                domain.port());
    }

    private void domainData(DomainState domain) throws IOException {
        boolean known = domain.features() != DomainState.FEATURES_UNKNOWN;
        if (domain.quotas().isEmpty() && (version == 1 || !known)) {
            return;
        }
        if (version > 1 && !known) {
            throw new WireException(
                    "the ring features of "
                            + domain.domain()
                            + " are not known: only version 1 of"
                            + " the xenstore stream can do without");
        }
        out.write(
                new StreamRecord.Domain(
                        domain.domain().value(),
                        domain.features(),
                        quotas(domain.quotas(), false)));
    }

    private void connection(StreamRecord.Transport transport, ConnectionState connection, Path home)
            throws IOException {
        int id = ++connections;
        out.write(
                new StreamRecord.Connection(
                        id,
                        transport,
                        connection.input(),
                        restOfMessage(connection.output()),
                        connection.output()));
        for (WatchState watch : connection.watches()) {
            String path = watch.path().toString();
            out.write(
                    new StreamRecord.Watch(
                            id,
                            bytes(watch.relative() ? path.substring(home.length() + 1) : path),
                            watch.token(),
                            depth(watch)));
        }
        for (TransactionState transaction : connection.transactions()) {
            out.write(new StreamRecord.Transaction(id, transaction.id()));
        }
    }

    private static int depth(WatchState watch) throws WireException {
        if (watch.depth() == WatchState.UNLIMITED) {
            return StreamRecord.Watch.UNLIMITED;
        }
        if (watch.depth() < 0 || watch.depth() >= StreamRecord.Watch.UNLIMITED) {
            throw new WireException("depth of a watch: " + watch.depth());
        }
        return watch.depth();
    }

    /// The number of leading output bytes that are the rest of a message: the fewest after which whole messages
    /// follow. Daemons that keep messages apart need it; the bytes are the same either way.
    static int restOfMessage(byte[] output) {
        int most = Math.min(output.length, MessageHeader.SIZE + MessageHeader.PAYLOAD_MAX);
        for (int rest = 0; rest < most; rest++) {
            if (areMessages(output, rest)) {
                return rest;
            }
        }
        return most;
    }

    private static boolean areMessages(byte[] output, int from) {
        int at = from;
        while (output.length - at >= MessageHeader.SIZE) {
            int length = MessageHeader.length(output, at);
            if (MessageType.of(MessageHeader.type(output, at)) == null
                    || MessageHeader.isTooLong(length)) {
                return false;
            }
            at += MessageHeader.SIZE + length;
        }
        return at == output.length;
    }

    private void node(Path path, PendingView.Contents contents) throws IOException {
        out.write(
                new StreamRecord.Node(
                        0, 0, 0, contents.permissions(), bytes(path.toString()), contents.value()));
    }

    private void pendingNodes() throws IOException {
        Map<Path, NodeState> store = new HashMap<>();
        state.nodes().forEach(node -> store.put(node.path(), node));
        state.special().forEach(special -> store.put(special.path(), PendingView.node(special)));
        int id = 0;
        for (DomainState domain : state.domains()) {
            pendingNodes(store, ++id, domain.domain(), domain.connection());
        }
        for (SocketState socket : state.sockets()) {
            pendingNodes(store, ++id, DomId.DOM0, socket.connection());
        }
    }

    private void pendingNodes(
            Map<Path, NodeState> store, int id, DomId caller, ConnectionState connection)
            throws IOException {
        for (TransactionState transaction : connection.transactions()) {
            for (StreamRecord.Node node :
                    new PendingTransaction(store, state.isWhole(), caller)
                            .records(id, transaction)) {
                out.write(node);
            }
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
