package io.xenemu.core.trace;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainObserver;
import io.xenemu.core.hypercall.HypercallObserver;
import org.jspecify.annotations.Nullable;

/// Sees what traces could record, of all domains at once. Its methods are called with the lock of [TracePoints] held.
public interface EventTap {
    /// An observer of one vCPU's hypercalls; null for none.
    @Nullable HypercallObserver newCalls(Domain domain);

    /// An observer of a domain's other events; null for none.
    @Nullable DomainObserver newEvents(Domain domain);
}
