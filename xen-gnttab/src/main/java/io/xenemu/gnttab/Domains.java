package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import org.jspecify.annotations.Nullable;

/// Finds the grant tables of the domains of this service. Called with entries locked: must not call back.
@FunctionalInterface
public interface Domains {
    /// The domain's grant table, domain 0 being [ServiceGrants#table]; null if there is no such domain. `DOMID_SELF` is
    /// nobody here.
    @Nullable GrantTable find(DomId id);
}
