package io.xenemu.core.backend;

import com.google.common.primitives.Bytes;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.List;

/// The saved specification of a device that is made anew when its guest goes on elsewhere, whichever domain serves it.
///
/// @param kind of the device
/// @param version of `body`
/// @param body the kind's own form of it ([BackendKind.Savable])
public record SavedSpec(DeviceKind kind, int version, List<Byte> body) {
    /// The most bytes of a specification. Its texts are paths and the like.
    private static final int MAX_BODY = 64 << 10;

    public SavedSpec {
        body = List.copyOf(body);
    }

    /// Appends it.
    public void encode(BodyWriter writer) {
        writer.string(kind.directory()).u16(version).bytes(Bytes.toArray(body));
    }

    /// Reads one.
    ///
    /// @throws WireException if it cannot be used
    public static SavedSpec decode(BodyReader reader) throws WireException {
        return new SavedSpec(
                DeviceState.kind(reader), reader.u16(), Bytes.asList(reader.bytes(MAX_BODY)));
    }

    BodyReader reader() {
        return new BodyReader(Bytes.toArray(body));
    }
}
