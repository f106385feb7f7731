package io.xenemu.xenstore.stream;

import io.xenemu.kvm.abi.DomId;
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
import io.xenemu.xenstore.wire.Request;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/// A state with something of everything.
final class SampleState {
    private SampleState() {}

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    static NodeState node(String path, String value, String... permissions) {
        return new NodeState(Path.of(path), ascii(value), Permissions.of(permissions), 0, 0);
    }

    static List<NodeState> nodes() {
        return List.of(
                node("/", "", "n0"),
                node("/local", "", "n0"),
                node("/local/domain", "", "r0"),
                node("/local/domain/3", "", "n3", "r4"),
                node("/local/domain/3/data", "\0\1\2", "b3"),
                node("/a", "x", "n0", "w3"));
    }

    static TransactionState transaction() {
        return new TransactionState(
                7,
                false,
                List.of(
                        new Request.Write(Path.of("/a/new"), ascii("one")),
                        new Request.Mkdir(Path.of("/a/new")),
                        new Request.SetPerms(Path.of("/a"), Permissions.of("n0", "b3")),
                        new Request.Rm(Path.of("/local/domain/3/data")),
                        new Request.Write(Path.of("/a/new"), ascii("two"))),
                Map.of(
                        Path.of("/a"),
                        TransactionState.VALUE | TransactionState.PERMISSIONS,
                        Path.of("/none"),
                        TransactionState.ABSENT));
    }

    static ConnectionState connection() {
        return new ConnectionState(
                ascii("half"),
                ascii("rest"),
                List.of(
                        new WatchState(
                                Path.of("/local/domain/3/data"),
                                ascii("t"),
                                true,
                                WatchState.UNLIMITED),
                        new WatchState(Path.of("@releaseDomain"), ascii(""), false, -1),
                        new WatchState(Path.of("/a"), ascii("deep"), false, 2)),
                List.of(
                        transaction(),
                        new TransactionState(9, true, List.of(), Map.of(Path.ROOT, 16))));
    }

    static XenStoreState state() {
        return new XenStoreState(
                nodes(),
                List.of(new SpecialState(Path.of("@releaseDomain"), Permissions.of("n0", "r3"))),
                List.of(new QuotaState("nodes", 1000, false), new QuotaState("all", -1, true)),
                new Descriptors(3, 6),
                List.of(
                        new DomainState(
                                new DomId(3),
                                new DomId(4),
                                false,
                                false,
                                0,
                                7,
                                3,
                                List.of(new QuotaState("watches", 5, false)),
                                connection())),
                List.of(
                        new SocketState(
                                9,
                                new ConnectionState(
                                        new byte[0], new byte[0], List.of(), List.of()))));
    }

    static byte[] stream() {
        try {
            return MigrationStream.encode(state(), 2);
        } catch (WireException e) {
            throw new IllegalStateException(e);
        }
    }
}
