package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// A domain's grant table as plain values. The entries are guest memory and travel with it.
///
/// @param domId whose it is
/// @param version 1, the only one
/// @param maxFrames the limit of `frames`
/// @param frames pages in use
/// @param mappings every entry that is mapped, in ascending order
public record GrantTableState(
        DomId domId, int version, int maxFrames, int frames, List<Mapped> mappings) {
    public GrantTableState {
        mappings = List.copyOf(mappings);
    }

    /// One mapped entry.
    ///
    /// @param ref its index
    /// @param mapper who maps it
    /// @param gfn the guest frame that is mapped, 32 bits
    /// @param readers mappings for reading
    /// @param writers mappings for writing
    public record Mapped(GrantRef ref, DomId mapper, int gfn, int readers, int writers) {}
}
