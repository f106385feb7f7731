package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.kvm.wire.WireLimits;
import io.xenemu.xenstore.XenStoreState.DomainState;
import io.xenemu.xenstore.XenStoreState.NodeState;
import io.xenemu.xenstore.XenStoreState.TransactionState;
import io.xenemu.xenstore.XenStoreState.WatchState;
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
/// Version 1: count u32 and nodes (path, value bytes, permissions, ordinal u64, generation u64); permissions of the two
/// special watches; count u32 and domains (domid u16, target u16, shutdown bool, failed bool, input bytes, output bytes,
/// count and watches (path, token bytes, relative bool), count and transactions (id u32, doomed bool, count and changes
/// (type u8 and what it has), count and dependencies (path, aspects u8))). Paths and permissions are bytes as on the
/// wire. Order is kept, except that dependencies are sorted by path.
public final class XenStoreCodec {
    /// The frame type: "XSTR".
    public static final int TYPE = 0x52545358;

    /// The version that [#encode] writes.
    public static final int VERSION = 1;

    private static final int MAX_COUNT = 1 << 20;
    private static final int MAX_ASPECTS = 31;

    private XenStoreCodec() {}

    /// Writes a body of version [#VERSION].
    public static BodyWriter encode(XenStoreState state) {
        BodyWriter body = new BodyWriter();
        body.u32(state.nodes().size());
        for (NodeState node : state.nodes()) {
            path(body, node.path()).bytes(node.value()).bytes(node.permissions().encode());
            body.u64(node.ordinal()).u64(node.generation());
        }
        body.bytes(state.introducePermissions().encode());
        body.bytes(state.releasePermissions().encode());
        body.u32(state.domains().size());
        state.domains().forEach(domain -> encode(body, domain));
        return body;
    }

    private static BodyWriter path(BodyWriter body, Path path) {
        return body.bytes(path.toString().getBytes(StandardCharsets.ISO_8859_1));
    }

    private static void encode(BodyWriter body, DomainState domain) {
        body.u16(domain.domain().value()).u16(domain.target().value());
        body.bool(domain.shutdown()).bool(domain.failed());
        body.bytes(domain.input()).bytes(domain.output());
        body.u32(domain.watches().size());
        for (WatchState watch : domain.watches()) {
            path(body, watch.path()).bytes(watch.token()).bool(watch.relative());
        }
        body.u32(domain.transactions().size());
        for (TransactionState transaction : domain.transactions()) {
            body.u32(transaction.id()).bool(transaction.doomed());
            body.u32(transaction.changes().size());
            transaction.changes().forEach(change -> encode(body, change));
            Map<String, Integer> sorted = new TreeMap<>();
            transaction
                    .dependencies()
                    .forEach((path, aspects) -> sorted.put(path.toString(), aspects));
            body.u32(sorted.size());
            sorted.forEach((path, aspects) ->
                    body.bytes(path.getBytes(StandardCharsets.ISO_8859_1)).u8(aspects));
        }
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
        if (version != VERSION) {
            throw WireException.unknownVersion("XenStore", version);
        }
        try {
            return decode(body);
        } catch (XenError e) {
            WireException failure = new WireException("invalid path or permissions");
            failure.initCause(e);
            throw failure;
        }
    }

    private static XenStoreState decode(BodyReader body) throws WireException, XenError {
        List<NodeState> nodes = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            Path path = path(body);
            if (path.isSpecial()) {
                throw XenError.EINVAL;
            }
            byte[] value = body.bytes(MessageHeader.PAYLOAD_MAX);
            nodes.add(new NodeState(path, value, permissions(body), body.u64(), body.u64()));
        }
        Permissions introduce = permissions(body);
        Permissions release = permissions(body);
        List<DomainState> domains = new ArrayList<>();
        for (int left = body.count(DomId.FIRST_RESERVED); left > 0; left--) {
            domains.add(domain(body));
        }
        return new XenStoreState(nodes, introduce, release, domains);
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

    private static DomainState domain(BodyReader body) throws WireException, XenError {
        DomId domain = new DomId(body.u16());
        DomId target = new DomId(body.u16());
        boolean shutdown = body.bool();
        boolean failed = body.bool();
        byte[] input = body.bytes(MessageHeader.SIZE + MessageHeader.PAYLOAD_MAX - 1);
        if (input.length >= MessageHeader.SIZE) {
            int length = MessageHeader.length(input, 0);
            if (MessageHeader.isTooLong(length) || input.length >= MessageHeader.SIZE + length) {
                throw new WireException("input is no part of a request");
            }
        }
        byte[] output = body.bytes(WireLimits.MAX_BODY_BYTES);
        List<WatchState> watches = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            watches.add(
                    new WatchState(path(body), body.bytes(MessageHeader.PAYLOAD_MAX), body.bool()));
        }
        List<TransactionState> transactions = new ArrayList<>();
        for (int left = body.count(MAX_COUNT); left > 0; left--) {
            transactions.add(transaction(body));
        }
        return new DomainState(
                domain, target, shutdown, failed, input, output, watches, transactions);
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
            if (aspects > MAX_ASPECTS) {
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
