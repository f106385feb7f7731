package io.xenemu.core.backend;

import com.google.common.primitives.Bytes;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.List;

/// The saved state of one device that the service serves.
///
/// @param kind of the device
/// @param id its number
/// @param shown the state that its guest sees
/// @param isConnected whether its rings are served
/// @param offered the queues that were offered to the guest
/// @param version of `body`
/// @param body the kind's own state ([BackendDevice.Savable])
public record DeviceState(
        DeviceKind kind,
        int id,
        XenbusState shown,
        boolean isConnected,
        int offered,
        int version,
        List<Byte> body) {
    /// The most bytes of a device's own state.
    static final int MAX_BODY = 8 << 20;

    /// The longest name of a kind.
    private static final int MAX_KIND = 32;

    /// Checks that there is such a condition.
    ///
    /// @throws IllegalArgumentException if there is none
    public DeviceState {
        Phase _ = Phase.of(shown, isConnected);
        body = List.copyOf(body);
    }

    Phase phase() {
        return Phase.of(shown, isConnected);
    }

    void encode(BodyWriter writer) {
        writer.string(kind.directory())
                .u32(id)
                .string(shown.code())
                .bool(isConnected)
                .u32(offered)
                .u16(version)
                .bytes(Bytes.toArray(body));
    }

    static DeviceState decode(BodyReader reader) throws WireException {
        DeviceKind kind = kind(reader);
        int id = reader.count(Integer.MAX_VALUE);
        XenbusState shown = XenbusState.parse(reader.string(1));
        try {
            return new DeviceState(
                    kind,
                    id,
                    shown,
                    reader.bool(),
                    reader.count(Integer.MAX_VALUE),
                    reader.u16(),
                    Bytes.asList(reader.bytes(MAX_BODY)));
        } catch (IllegalArgumentException e) {
            throw new WireException(String.valueOf(e.getMessage()), e);
        }
    }

    /// Reads the name of a kind.
    static DeviceKind kind(BodyReader reader) throws WireException {
        DeviceKind kind = DeviceKind.ofDirectory(reader.string(MAX_KIND));
        if (kind == null) {
            throw new WireException("no such kind of device");
        }
        return kind;
    }
}
