package io.xenemu.xenstore.state;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.kvm.wire.WireLimits;
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
import io.xenemu.xenstore.wire.MessageType;
import io.xenemu.xenstore.wire.Request;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// [XenStoreState] as the body of a frame of saved state.
///
/// Version 2: count u32 and nodes (path, value bytes, permissions, ordinal u64, generation u64); count and special
/// names (path, permissions); quotas; descriptors of listener u32 and events u32; count and domains (domid u16,
/// target u16, shutdown bool, failed bool, gfn u64, port u32, features u32, quotas, connection); count and sockets
/// (descriptor u32, connection). Quotas: count and (name string, value u32, global bool). Connection: input bytes,
/// output bytes, count and watches (path, token bytes, relative bool, depth u32), count and transactions (id u32,
/// doomed bool, count and changes (type u8 and what it has), count and dependencies (path, aspects u8)). Paths and
/// permissions are bytes as on the wire. Order is kept, except that dependencies are sorted by path.
///
/// Version 1 had the permissions of `@introduceDomain` and `@releaseDomain` only, and neither quotas, descriptors,
/// sockets, gfn, port, features nor depth.
public final class XenStoreCodec {
    /// The frame type: "XSTR".
    public static final int TYPE = 0x52545358;

    /// The version that [#encode] writes.
    public static final int VERSION = 2;

    /// Elements of one kind: many times what the largest store has.
    private static final int MAX_COUNT = 1 << 20;

    /// Unhandled input of a connection: more than is ever read ahead from a socket.
    private static final int MAX_INPUT = 1 << 16;

    /// Unhandled input of a ring: a whole request is handled at once.
    private static final int MAX_RING_INPUT = MessageHeader.SIZE + MessageHeader.PAYLOAD_MAX - 1;

    private XenStoreCodec() {}

    /// Writes a body of version [#VERSION].
    public static BodyWriter encode(XenStoreState state) {
        BodyWriter body = new BodyWriter();
        body.u32(state.nodes().size());
        for (NodeState node : state.nodes()) {
            path(body, node.path()).bytes(node.value()).bytes(node.permissions().encode());
            body.u64(node.ordinal()).u64(node.generation());
        }
        body.u32(state.special().size());
        for (SpecialState special : state.special()) {
            path(body, special.path()).bytes(special.permissions().encode());
        }
        quotas(body, state.quotas());
        body.u32(state.descriptors().listener()).u32(state.descriptors().events());
        body.u32(state.domains().size());
        state.domains().forEach(domain -> encode(body, domain));
        body.u32(state.sockets().size());
        for (SocketState socket : state.sockets()) {
            body.u32(socket.descriptor());
            encode(body, socket.connection());
        }
        return body;
    }

    private static BodyWriter path(BodyWriter body, Path path) {
        return body.bytes(path.toString().getBytes(StandardCharsets.ISO_8859_1));
    }

    private static void quotas(BodyWriter body, List<QuotaState> quotas) {
        body.u32(quotas.size());
        for (QuotaState quota : quotas) {
            body.bytes(quota.name().getBytes(StandardCharsets.ISO_8859_1));
            body.u32(quota.value()).bool(quota.global());
        }
    }

    private static void encode(BodyWriter body, DomainState domain) {
        body.u16(domain.domain().value()).u16(domain.target().value());
        body.bool(domain.shutdown()).bool(domain.failed());
        body.u64(domain.gfn()).u32(domain.port()).u32(domain.features());
        quotas(body, domain.quotas());
        encode(body, domain.connection());
    }

    private static void encode(BodyWriter body, ConnectionState connection) {
        body.bytes(connection.input()).bytes(connection.output());
        body.u32(connection.watches().size());
        for (WatchState watch : connection.watches()) {
            path(body, watch.path()).bytes(watch.token());
            body.bool(watch.relative()).u32(watch.depth());
        }
        body.u32(connection.transactions().size());
        for (TransactionState transaction : connection.transactions()) {
            encode(body, transaction);
        }
    }

    private static void encode(BodyWriter body, TransactionState transaction) {
        body.u32(transaction.id()).bool(transaction.doomed());
        body.u32(transaction.changes().size());
        transaction.changes().forEach(change -> encode(body, change));
        Map<String, Integer> sorted = new TreeMap<>();
        transaction.dependencies().forEach((path, aspects) -> sorted.put(path.toString(), aspects));
        body.u32(sorted.size());
        sorted.forEach((path, aspects) ->
                body.bytes(path.getBytes(StandardCharsets.ISO_8859_1)).u8(aspects));
    }

    private static void encode(BodyWriter body, Request.Change change) {
        body.u8(change.type().code());
        path(body, change.path());
        switch (change) {
            case Request.Write write -> body.bytes(write.value());
            case Request.SetPerms set -> body.bytes(set.permissions().encode());
            case Request.Mkdir _, Request.Rm _ -> {}
        }
    }

    /// Reads a body of any version so far.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static XenStoreState decode(int version, BodyReader body) throws WireException {
        if (version < 1 || version > VERSION) {
            throw WireException.unknownVersion("XenStore", version);
        }
        try {
            return decode(body, version);
        } catch (XenError e) {
            throw new WireException("invalid path or permissions", e);
        }
    }

    private static XenStoreState decode(BodyReader body, int version)
            throws WireException, XenError {
        List<NodeState> nodes = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            Path path = path(body);
            if (path.isSpecial()) {
                throw XenError.EINVAL;
            }
            byte[] value = body.bytes(MessageHeader.PAYLOAD_MAX);
            nodes.add(new NodeState(path, value, permissions(body), body.u64(), body.u64()));
        }
        List<SpecialState> special = special(body, version);
        List<QuotaState> quotas = version == 1 ? List.of() : quotas(body);
        Descriptors descriptors =
                version == 1 ? Descriptors.NONE : new Descriptors(body.u32(), body.u32());
        List<DomainState> domains = new ArrayList<>();
        for (int left = body.count(DomId.FIRST_RESERVED); left > 0; left--) {
            domains.add(domain(body, version));
        }
        List<SocketState> sockets = new ArrayList<>();
        for (int left = version == 1 ? 0 : body.count(MAX_COUNT); left > 0; left--) {
            sockets.add(new SocketState(body.u32(), connection(body, version, MAX_INPUT)));
        }
        return new XenStoreState(nodes, special, quotas, descriptors, domains, sockets);
    }

    private static List<SpecialState> special(BodyReader body, int version)
            throws WireException, XenError {
        if (version == 1) {
            return List.of(
                    new SpecialState(Path.INTRODUCE_DOMAIN, permissions(body)),
                    new SpecialState(Path.RELEASE_DOMAIN, permissions(body)));
        }
        List<SpecialState> special = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            Path path = path(body);
            if (!path.isSpecial()) {
                throw XenError.EINVAL;
            }
            special.add(new SpecialState(path, permissions(body)));
        }
        return special;
    }

    private static List<QuotaState> quotas(BodyReader body) throws WireException {
        List<QuotaState> quotas = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            String name = new String(body.bytes(QuotaState.NAME_MAX), StandardCharsets.ISO_8859_1);
            quotas.add(new QuotaState(name, body.u32(), body.bool()));
        }
        return quotas;
    }

    private static Path path(BodyReader body) throws WireException, XenError {
        byte[] text = body.bytes(Path.ABSOLUTE_MAX);
        if (text.length == 0 || (text[0] != '/' && text[0] != '@')) {
            throw XenError.EINVAL;
        }
        return Path.parseWatchable(text, 0, text.length, Path.ROOT);
    }

    private static Permissions permissions(BodyReader body) throws WireException, XenError {
        byte[] text = body.bytes(WireLimits.MAX_BODY_BYTES);
        return Permissions.parse(text, 0, text.length);
    }

    private static DomainState domain(BodyReader body, int version) throws WireException, XenError {
        DomId domain = new DomId(body.u16());
        DomId target = new DomId(body.u16());
        boolean shutdown = body.bool();
        boolean failed = body.bool();
        long gfn = 0;
        int port = 0;
        int features = DomainState.FEATURES_UNKNOWN;
        List<QuotaState> quotas = List.of();
        if (version > 1) {
            gfn = body.u64();
            port = body.u32();
            features = body.u32();
            quotas = quotas(body);
        }
        ConnectionState connection = connection(body, version, MAX_RING_INPUT);
        if (connection.hasWholeRequest()) {
            throw new WireException("input is no part of a request");
        }
        return new DomainState(
                domain, target, shutdown, failed, gfn, port, features, quotas, connection);
    }

    private static ConnectionState connection(BodyReader body, int version, int maxInput)
            throws WireException, XenError {
        byte[] input = body.bytes(maxInput);
        byte[] output = body.bytes(WireLimits.MAX_BODY_BYTES);
        List<WatchState> watches = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            Path path = path(body);
            byte[] token = body.bytes(MessageHeader.PAYLOAD_MAX);
            boolean relative = body.bool();
            int depth = version == 1 ? WatchState.UNLIMITED : body.u32();
            watches.add(new WatchState(path, token, relative, depth));
        }
        List<TransactionState> transactions = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            transactions.add(transaction(body));
        }
        return new ConnectionState(input, output, watches, transactions);
    }

    private static TransactionState transaction(BodyReader body) throws WireException, XenError {
        int id = body.u32();
        boolean doomed = body.bool();
        List<Request.Change> changes = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            changes.add(change(body));
        }
        Map<Path, Integer> dependencies = new LinkedHashMap<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            Path path = path(body);
            int aspects = body.u8();
            if (aspects > TransactionState.ALL) {
                throw new WireException("unknown dependency: " + aspects);
            }
            dependencies.put(path, aspects);
        }
        return new TransactionState(id, doomed, changes, dependencies);
    }

    private static Request.Change change(BodyReader body) throws WireException, XenError {
        MessageType type = MessageType.of(body.u8());
        Path path = path(body);
        return switch (type) {
            case WRITE -> new Request.Write(path, body.bytes(MessageHeader.PAYLOAD_MAX));
            case MKDIR -> new Request.Mkdir(path);
            case RM -> new Request.Rm(path);
            case SET_PERMS -> new Request.SetPerms(path, permissions(body));
            case null, default -> throw new WireException("unknown change: " + type);
        };
    }
}
