package io.xenemu.core.hypervisor;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainObserver;
import io.xenemu.xenstore.ring.RequestObserver;

/// Shows a domain's requests to XenStore to the domain's observer, while there is one.
///
/// @param domain that makes the requests
record TracedRequests(Domain domain) implements RequestObserver {
    @Override
    public boolean isObserving() {
        return domain.observer() != null;
    }

    @Override
    public void served(String request, String answer) {
        DomainObserver observer = domain.observer();
        if (observer != null) {
            observer.storeRequest(request, answer);
        }
    }
}
