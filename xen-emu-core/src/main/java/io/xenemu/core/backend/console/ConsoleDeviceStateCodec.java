package io.xenemu.core.backend.console;

import com.google.common.primitives.Bytes;
import io.xenemu.core.device.ConsoleState;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.OptionalInt;

/// Writes and reads the saved state of a further console.
///
/// Version 1: number u32; name text; end u8: 0 terminal, 1 socket, 2 file; path text; limit u32; largest size u64;
/// terminal, backend texts; output bytes; input bytes; connected, and if so ref u32, port u32, outCons u32, inProd u32,
/// broken.
final class ConsoleDeviceStateCodec {
    /// The version that [#encode] writes.
    static final int VERSION = 1;

    /// A path of the host, and other texts.
    private static final int TEXT_MAX = 4096;

    private ConsoleDeviceStateCodec() {}

    /// The state's bytes.
    static BodyWriter encode(ConsoleDeviceState state) {
        ConsoleSpec spec = state.spec();
        BodyWriter body =
                new BodyWriter()
                        .u32(spec.id().orElseThrow())
                        .string(spec.name())
                        .u8(
                                switch (spec.connection()) {
                                    case PTY -> 0;
                                    case SOCKET -> 1;
                                    case FILE -> 2;
                                })
                        .string(spec.path())
                        .u32(spec.limit())
                        .u64(spec.maxSize())
                        .string(spec.tty())
                        .string(spec.backend())
                        .bytes(Bytes.toArray(state.output()))
                        .bytes(Bytes.toArray(state.input()));
        ConsoleDeviceState.Connection connection = state.connection();
        body.bool(connection != null);
        if (connection != null) {
            body.u32(connection.ref())
                    .u32(connection.port())
                    .u32(connection.ring().outConsumer())
                    .u32(connection.ring().inProducer())
                    .bool(connection.ring().broken());
        }
        return body;
    }

    /// Reads the state.
    ///
    /// @throws WireException if the version is unknown, or a value is out of range
    static ConsoleDeviceState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("console", version);
        }
        ConsoleSpec spec = spec(body);
        byte[] output = body.bytes(Math.min(spec.limit(), ConsoleHost.SAVED_OUTPUT));
        byte[] input = body.bytes(ConsoleHost.SAVED_INPUT);
        ConsoleDeviceState.Connection connection =
                body.bool()
                        ? new ConsoleDeviceState.Connection(
                                body.u32(),
                                body.u32(),
                                new ConsoleState.Ring(body.u32(), body.u32(), body.bool()))
                        : null;
        body.end();
        return new ConsoleDeviceState(spec, Bytes.asList(output), Bytes.asList(input), connection);
    }

    private static ConsoleSpec spec(BodyReader body) throws WireException {
        int number = body.count(Integer.MAX_VALUE);
        String name = body.string(TEXT_MAX);
        ConsoleSpec.Connection connection =
                switch (body.u8()) {
                    case 0 -> ConsoleSpec.Connection.PTY;
                    case 1 -> ConsoleSpec.Connection.SOCKET;
                    case 2 -> ConsoleSpec.Connection.FILE;
                    default -> throw new WireException("no such end of a console");
                };
        String path = body.string(TEXT_MAX);
        int limit = body.count(ConsoleSpec.MAX_LIMIT);
        long maxSize = body.u64();
        if (limit < KeptBytes.LEAST_CAPACITY || maxSize < 0) {
            throw new WireException("a console keeps %d bytes, of %d".formatted(limit, maxSize));
        }
        return new ConsoleSpec(
                OptionalInt.of(number),
                name,
                connection,
                path,
                limit,
                maxSize,
                body.string(TEXT_MAX),
                body.string(TEXT_MAX));
    }
}
