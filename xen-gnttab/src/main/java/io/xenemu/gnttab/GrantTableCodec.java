package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// [GrantTableState] as the body of a frame of saved state.
///
/// Version 1: domid u16, grant table version u8, maxFrames u32, frames u32, count u32, then for each mapped entry ref
/// u32, mapper u16, gfn u32, readers u16, writers u16.
///
/// Version 2: domid u16, grant table version u8, maxGrantFrames u32, maxMaptrackFrames u32, maxGrantVersion u8, frames
/// u32. Then two lists, each with its length u32. The mapped entries are as in version 1, but with gfn u64. A mapping
/// of others' grants: handle u32, granter u16, ref u32, read-only u8, gfn u64.
public final class GrantTableCodec {
    /// The frame type: "GNTT".
    public static final int TYPE = 0x54544e47;

    /// The version that [#encode] writes.
    public static final int VERSION = 2;

    private static final int MAX_ENTRIES = GrantLimits.LARGEST_MAX_FRAMES * V1Entries.PER_PAGE;
    private static final int MAX_HANDLES =
            GrantLimits.LARGEST_MAX_MAPTRACK_FRAMES * Maptrack.PER_FRAME;

    private GrantTableCodec() {}

    /// Writes a body of version [#VERSION].
    public static BodyWriter encode(GrantTableState state) {
        BodyWriter body = new BodyWriter();
        GrantLimits limits = state.limits();
        body.u16(state.domId().value()).u8(state.version());
        body.u32(limits.maxGrantFrames()).u32(limits.maxMaptrackFrames());
        body.u8(limits.maxGrantVersion()).u32(state.frames());
        body.u32(state.mappings().size());
        for (GrantTableState.Mapped mapped : state.mappings()) {
            body.u32(mapped.ref().value()).u16(mapped.mapper().value()).u64(mapped.gfn());
            body.u16(mapped.readers()).u16(mapped.writers());
        }
        body.u32(state.tracked().size());
        for (GrantTableState.Tracked tracked : state.tracked()) {
            body.u32(tracked.handle()).u16(tracked.granter().value()).u32(tracked.ref().value());
            body.bool(tracked.readOnly()).u64(tracked.gfn());
        }
        return body;
    }

    /// Reads a body of any version so far. [GrantTable#restore] checks that the values are consistent.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static GrantTableState decode(int version, BodyReader body) throws WireException {
        return switch (version) {
            case 1 -> decodeV1(body).upgrade();
            case VERSION -> decodeV2(body);
            default -> throw WireException.unknownVersion("grant table", version);
        };
    }

    private static GrantTableStateV1 decodeV1(BodyReader body) throws WireException {
        DomId domId = new DomId(body.u16());
        int tableVersion = body.u8();
        int maxFrames = positive(body.count(GrantLimits.LARGEST_MAX_FRAMES));
        int frames = body.count(GrantLimits.LARGEST_MAX_FRAMES);
        return new GrantTableStateV1(domId, tableVersion, maxFrames, frames, mappings(1, body));
    }

    private static GrantTableState decodeV2(BodyReader body) throws WireException {
        DomId domId = new DomId(body.u16());
        int tableVersion = body.u8();
        int maxFrames = positive(body.count(GrantLimits.LARGEST_MAX_FRAMES));
        int maxMaptrack = body.count(GrantLimits.LARGEST_MAX_MAPTRACK_FRAMES);
        int maxVersion = body.u8();
        if (maxVersion != 1 && maxVersion != 2) {
            throw new WireException("grant table version is 1 or 2: " + maxVersion);
        }
        GrantLimits limits = new GrantLimits(maxFrames, maxMaptrack, maxVersion);
        int frames = body.count(GrantLimits.LARGEST_MAX_FRAMES);
        return new GrantTableState(
                domId, tableVersion, limits, frames, mappings(2, body), tracked(body));
    }

    private static int positive(int count) throws WireException {
        if (count == 0) {
            throw new WireException("a grant table has at least 1 frame: 0");
        }
        return count;
    }

    private static List<GrantTableState.Mapped> mappings(int version, BodyReader body)
            throws WireException {
        int count = body.count(MAX_ENTRIES);
        List<GrantTableState.Mapped> mappings = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            mappings.add(
                    new GrantTableState.Mapped(
                            new GrantRef(body.u32()),
                            new DomId(body.u16()),
                            version == 1 ? Integer.toUnsignedLong(body.u32()) : body.u64(),
                            body.u16(),
                            body.u16()));
        }
        return mappings;
    }

    private static List<GrantTableState.Tracked> tracked(BodyReader body) throws WireException {
        int count = body.count(MAX_HANDLES);
        List<GrantTableState.Tracked> tracked = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            tracked.add(
                    new GrantTableState.Tracked(
                            body.u32(),
                            new DomId(body.u16()),
                            new GrantRef(body.u32()),
                            body.bool(),
                            body.u64()));
        }
        return tracked;
    }
}
