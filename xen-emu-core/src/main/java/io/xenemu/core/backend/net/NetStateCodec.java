package io.xenemu.core.backend.net;

import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.toolstack.MacAddress;
import io.xenemu.core.toolstack.NicRate;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PasstSpec;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;

/// Writes and reads the saved state of a network interface.
///
/// Version 1: number u32; address u64; MTU u32; backend, script, bridge texts; nodes for the script, each name and
/// value text; is limited, and if so bytes u64, microseconds u64; trusted; is on passt, and if so socket, TCP ports,
/// UDP ports texts, maps the gateway. Then connected, and if so: scatter; checksum; segments of IPv4, of IPv6;
/// notifies; headroom u32; filters; addresses u64; queues; has a control ring, and if so ref u32, port u32, ring
/// ([RingState]). A queue has tx ref u32; rx ref u32; tx port u32; rx port u32; tx ring; rx ring. Lists have a count
/// u32 in front.
final class NetStateCodec {
    /// The version that [#encode] writes.
    static final int VERSION = 1;

    /// A path of the host, and other texts.
    private static final int TEXT_MAX = 4096;

    /// More nodes than xl has for scripts.
    private static final int NODES_MAX = 64;

    /// Linux's own limit.
    private static final int MTU_MAX = 65_535;

    private static final int ADDRESS_BITS = 48;

    private NetStateCodec() {}

    /// The state's bytes.
    static BodyWriter encode(NetState state) {
        BodyWriter body = new BodyWriter();
        spec(body, state.spec());
        NetState.Connection connection = state.connection();
        body.bool(connection != null);
        if (connection != null) {
            connection(body, connection);
        }
        return body;
    }

    private static void spec(BodyWriter body, NicSpec spec) {
        body.u32(spec.id().orElseThrow())
                .u64(spec.mac().value())
                .u32(spec.mtu())
                .string(spec.backend())
                .string(spec.script())
                .string(spec.bridge())
                .u32(spec.forScript().size());
        spec.forScript().forEach((name, value) -> body.string(name).string(value));
        body.bool(spec.rate().isPresent());
        spec.rate().ifPresent(rate -> body.u64(rate.bytes()).u64(rate.micros()));
        body.bool(spec.trusted()).bool(spec.passt().isPresent());
        spec.passt()
                .ifPresent(passt ->
                        body.string(passt.socket())
                                .string(passt.tcpPorts())
                                .string(passt.udpPorts())
                                .bool(passt.mapsGateway()));
    }

    private static void connection(BodyWriter body, NetState.Connection connection) {
        RxFeatures features = connection.features();
        body.bool(features.scatter())
                .bool(features.checksum())
                .bool(features.segments4())
                .bool(features.segments6())
                .bool(features.notifies())
                .u32(features.headroom())
                .bool(connection.filters())
                .u32(connection.addresses().size());
        connection.addresses().forEach(body::u64);
        body.u32(connection.queues().size());
        for (NetState.Queue queue : connection.queues()) {
            NetWires wires = queue.wires();
            body.u32(wires.tx()).u32(wires.rx()).u32(wires.txPort()).u32(wires.rxPort());
            queue.tx().encode(body);
            queue.rx().encode(body);
        }
        NetState.Control control = connection.control();
        body.bool(control != null);
        if (control != null) {
            body.u32(control.ref()).u32(control.port());
            control.ring().encode(body);
        }
    }

    /// Reads the state.
    ///
    /// @throws WireException if the version is unknown, or a value is out of range
    static NetState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("network interface", version);
        }
        NicSpec spec = spec(body);
        NetState.Connection connection = body.bool() ? connection(body) : null;
        body.end();
        return new NetState(spec, connection);
    }

    private static NicSpec spec(BodyReader body) throws WireException {
        int number = body.count(Integer.MAX_VALUE);
        MacAddress address = new MacAddress(address(body.u64()));
        int mtu = body.count(MTU_MAX);
        String backend = body.string(TEXT_MAX);
        String script = body.string(TEXT_MAX);
        String bridge = body.string(TEXT_MAX);
        SequencedMap<String, String> forScript = forScript(body);
        Optional<NicRate> rate = body.bool() ? Optional.of(rate(body)) : Optional.empty();
        boolean trusted = body.bool();
        Optional<PasstSpec> passt =
                body.bool()
                        ? Optional.of(
                                new PasstSpec(
                                        body.string(TEXT_MAX),
                                        body.string(TEXT_MAX),
                                        body.string(TEXT_MAX),
                                        body.bool()))
                        : Optional.empty();
        return new NicSpec(
                OptionalInt.of(number),
                address,
                mtu,
                backend,
                script,
                bridge,
                forScript,
                rate,
                trusted,
                passt);
    }

    private static long address(long value) throws WireException {
        if (value >>> ADDRESS_BITS != 0) {
            throw new WireException("an address of more than 48 bits");
        }
        return value;
    }

    private static SequencedMap<String, String> forScript(BodyReader body) throws WireException {
        SequencedMap<String, String> nodes = new LinkedHashMap<>();
        int count = body.count(NODES_MAX);
        for (int left = count; left > 0; left--) {
            nodes.put(body.string(TEXT_MAX), body.string(TEXT_MAX));
        }
        if (nodes.size() != count) {
            throw new WireException("a node for the script occurs twice");
        }
        return nodes;
    }

    private static NicRate rate(BodyReader body) throws WireException {
        long bytes = body.u64();
        long micros = body.u64();
        if (bytes < 1 || bytes > NicRate.MAX || micros < 1 || micros > NicRate.MAX) {
            throw new WireException("no such rate");
        }
        return new NicRate(bytes, micros);
    }

    private static NetState.Connection connection(BodyReader body) throws WireException {
        RxFeatures features = features(body);
        boolean filters = body.bool();
        List<Long> addresses = new ArrayList<>();
        for (int left = body.count(MulticastFilter.LIMIT); left > 0; left--) {
            addresses.add(address(body.u64()));
        }
        if (addresses.stream().distinct().count() != addresses.size()) {
            throw new WireException("a multicast address occurs twice");
        }
        List<NetState.Queue> queues = new ArrayList<>();
        for (int left = body.count(NetBackend.MAX_QUEUES); left > 0; left--) {
            queues.add(
                    new NetState.Queue(
                            new NetWires(body.u32(), body.u32(), body.u32(), body.u32()),
                            ring(body),
                            ring(body)));
        }
        if (queues.isEmpty()) {
            throw new WireException("a connection without queues");
        }
        NetState.Control control =
                body.bool() ? new NetState.Control(body.u32(), body.u32(), ring(body)) : null;
        return new NetState.Connection(features, filters, addresses, queues, control);
    }

    private static RxFeatures features(BodyReader body) throws WireException {
        try {
            return new RxFeatures(
                    body.bool(),
                    body.bool(),
                    body.bool(),
                    body.bool(),
                    body.bool(),
                    body.count(RxFeatures.MAX_HEADROOM));
        } catch (IllegalArgumentException e) {
            throw new WireException("no guest takes such frames", e);
        }
    }

    private static RingState ring(BodyReader body) throws WireException {
        RingState ring = RingState.decode(body);
        if (ring.unanswered() != 0) {
            throw new WireException("a ring with frames on their way");
        }
        return ring;
    }
}
