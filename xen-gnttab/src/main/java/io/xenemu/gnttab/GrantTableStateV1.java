package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// The state as of version 1: there was no other version of the table, and guests could not map.
///
/// @param domId as in [GrantTableState], like the others
/// @param maxFrames the limit of `frames`
record GrantTableStateV1(
        DomId domId,
        int version,
        int maxFrames,
        int frames,
        List<GrantTableState.Mapped> mappings) {
    /// The domain still has no other version of the table, but can map as far as Xen lets a domain by default.
    GrantTableState upgrade() {
        GrantLimits limits = new GrantLimits(maxFrames, GrantLimits.DEFAULT_MAX_MAPTRACK_FRAMES, 1);
        return new GrantTableState(domId, version, limits, frames, mappings, List.of());
    }
}
