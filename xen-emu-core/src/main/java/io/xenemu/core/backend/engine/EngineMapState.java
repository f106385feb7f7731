package io.xenemu.core.backend.engine;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;

/// A domain's map of engines in its saved state.
///
/// @param map the map
public record EngineMapState(EngineMap map) {
    /// The state of a guest that was saved before there were engines.
    public static final EngineMapState NONE = new EngineMapState(EngineMap.DEFAULT);

    /// Frame type "ENGM".
    ///
    /// Version 1: length u32, then the bytes of [EngineMapLayout].
    public static final int TYPE = 0x4d474e45;

    /// The version that [#encode] writes.
    public static final int VERSION = 1;

    /// The body of the frame.
    public BodyWriter encode() {
        return new BodyWriter().bytes(EngineMapLayout.bytes(map));
    }

    /// Reads such a body.
    ///
    /// @throws WireException for another version, or a map that cannot be used
    public static EngineMapState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("map of engines", version);
        }
        try {
            return new EngineMapState(EngineMapLayout.map(body.bytes(EngineMapLayout.MAX_BYTES)));
        } catch (XenError e) {
            throw new WireException("the map of engines is wrong: " + e.symbol(), e);
        }
    }
}
