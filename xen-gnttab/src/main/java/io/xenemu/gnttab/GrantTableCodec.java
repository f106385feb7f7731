package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// [GrantTableState] as the body of a frame of saved state.
///
/// Version 1: domid u16, grant table version u8, maxFrames u32, frames u32, count u32, then for each mapped entry ref u32,
/// mapper u16, gfn u32, readers u16, writers u16.
public final class GrantTableCodec {
    /// The frame type: "GNTT".
    public static final int TYPE = 0x54544e47;

    /// The version that [#encode] writes.
    public static final int VERSION = 1;

    private GrantTableCodec() {}

    /// Writes a body of version [#VERSION].
    public static BodyWriter encode(GrantTableState state) {
        BodyWriter body = new BodyWriter();
        body.u16(state.domId().value()).u8(state.version());
        body.u32(state.maxFrames()).u32(state.frames());
        body.u32(state.mappings().size());
        for (GrantTableState.Mapped mapped : state.mappings()) {
            body.u32(mapped.ref().value()).u16(mapped.mapper().value()).u32(mapped.gfn());
            body.u16(mapped.readers()).u16(mapped.writers());
        }
        return body;
    }

    /// Reads a body of any version so far. That the values fit together is for [GrantTable#restore] to check.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static GrantTableState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("grant table", version);
        }
        DomId domId = new DomId(body.u16());
        int tableVersion = body.u8();
        int maxFrames = body.count(GrantTable.LARGEST_MAX_FRAMES);
        int frames = body.count(GrantTable.LARGEST_MAX_FRAMES);
        int count = body.count(GrantTable.LARGEST_MAX_FRAMES * GrantFrame.ENTRIES);
        List<GrantTableState.Mapped> mappings = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            mappings.add(
                    new GrantTableState.Mapped(
                            new GrantRef(body.u32()),
                            new DomId(body.u16()),
                            body.u32(),
                            body.u16(),
                            body.u16()));
        }
        return new GrantTableState(domId, tableVersion, maxFrames, frames, mappings);
    }
}
