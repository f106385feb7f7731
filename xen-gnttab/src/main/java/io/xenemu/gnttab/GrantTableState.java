package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// A domain's grant table as plain values. The entries and status words are guest memory and are saved with it. No
/// copy is in progress in a domain that is being saved.
///
/// @param domId the domain
/// @param version the current version
/// @param limits the domain's limits
/// @param frames the number of pages of entries in use
/// @param mappings every entry that is mapped, in ascending order
/// @param tracked every mapping of another domain's grant, in ascending order
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
    /// @param ref the entry's index
    /// @param mapper the domain that maps it
    /// @param gfn the guest frame that is mapped, 64 bits
    /// @param readers mappings for reading
    /// @param writers mappings for writing
    public record Mapped(GrantRef ref, DomId mapper, long gfn, int readers, int writers) {}

    /// One mapping of another domain's grant.
    ///
    /// @param handle the handle with which the guest unmaps it
    /// @param granter the granting domain
    /// @param ref the reference in the granter's table
    /// @param readOnly whether it is mapped read-only
    /// @param gfn the guest frame at which it is mapped
    public record Tracked(int handle, DomId granter, GrantRef ref, boolean readOnly, long gfn) {}
}
