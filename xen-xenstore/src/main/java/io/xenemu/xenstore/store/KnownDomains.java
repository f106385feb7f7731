package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;

/// The store's question about domains. Called with the store's lock held: the answer must not wait for anything that
/// may call the store.
@FunctionalInterface
public interface KnownDomains {
    /// Whether there is such a domain, introduced to the store or not. Only existing domains can be given
    /// permissions.
    boolean exists(DomId domain);
}
