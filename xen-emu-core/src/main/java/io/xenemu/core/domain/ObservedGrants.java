package io.xenemu.core.domain;

import io.xenemu.gnttab.GrantObserver;

/// Tells a domain's observer of the uses of its grants.
///
/// @param events the observer
record ObservedGrants(DomainObserver events) implements GrantObserver {
    @Override
    public void begun(int ref, int by, boolean isCopy) {
        events.grantBegun(ref, by, isCopy);
    }

    @Override
    public void ended(int ref) {
        events.grantEnded(ref);
    }
}
