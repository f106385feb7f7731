package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// The state in version 1, when only table version 1 existed and guests could not map.
///
/// @param domId as in [GrantTableState]; likewise the others
/// @param maxFrames the limit of `frames`
record GrantTableStateV1(
        DomId domId,
        int version,
        int maxFrames,
        int frames,
        List<GrantTableState.Mapped> mappings) {
    /// The same state in the current form: still limited to table version 1, with Xen's default limit of mappings.
    GrantTableState upgrade() {
        GrantLimits limits = new GrantLimits(maxFrames, GrantLimits.DEFAULT_MAX_MAPTRACK_FRAMES, 1);
        return new GrantTableState(domId, version, limits, frames, mappings, List.of());
    }
}
