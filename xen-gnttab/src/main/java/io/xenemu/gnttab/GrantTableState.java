package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// A domain's grant table as plain values. The entries and status words are guest memory and travel with it; no copy is under
/// way in a domain that is saved.
///
/// @param domId whose it is
/// @param version the version in force
/// @param limits what it may have
/// @param frames pages of entries in use
/// @param mappings every entry that is mapped, in ascending order
/// @param tracked every mapping that the domain has of others' grants, in ascending order
public record GrantTableState(
        DomId domId,
        int version,
        GrantLimits limits,
        int frames,
        List<Mapped> mappings,
        List<Tracked> tracked) {
    public GrantTableState {
        mappings = List.copyOf(mappings);
        tracked = List.copyOf(tracked);
    }

    /// One mapped entry.
    ///
    /// @param ref its index
    /// @param mapper who maps it
    /// @param gfn the guest frame that is mapped, 64 bits
    /// @param readers mappings for reading
    /// @param writers mappings for writing
    public record Mapped(GrantRef ref, DomId mapper, long gfn, int readers, int writers) {}

    /// One mapping of another domain's grant.
    ///
    /// @param handle what the guest unmaps it by
    /// @param granter who grants it
    /// @param ref its reference there
    /// @param readOnly whether it is mapped so
    /// @param gfn where it was placed
    public record Tracked(int handle, DomId granter, GrantRef ref, boolean readOnly, long gfn) {}
}
