package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import org.jspecify.annotations.Nullable;

/// Finds the grant tables of the domains of this service. Called with entries locked: must not call back.
@FunctionalInterface
public interface Granters {
    /// The domain's grant table, or null if there is no such domain. For domain 0 it is [ServiceGrants#table].
    /// `DOMID_SELF` is no domain here.
    @Nullable GrantTable find(DomId id);
}
