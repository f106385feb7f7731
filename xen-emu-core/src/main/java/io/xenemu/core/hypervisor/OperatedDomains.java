package io.xenemu.core.hypervisor;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.toolstack.Refused;
import java.util.function.Consumer;

/// The domains of a service as an operator's commands use them. All methods but [#forEach] may wait, so none of them is
/// called from `forEach`'s work, or with a lock held.
public interface OperatedDomains {
    /// Calls `work` for every domain in the order of their ids; none of them ends meanwhile.
    void forEach(Consumer<Domain> work);

    /// Orders something for a domain, and waits until it is done.
    ///
    /// @throws Refused if the order does not fit the guest's state, or cannot be carried out, or the domain is gone
    void order(Domain domain, DomainOrder order) throws Refused, InterruptedException;

    /// Stops a domain at once, and its guest with it. Does not wait for its end.
    void destroy(Domain domain);

    /// Waits until a domain is preserved, or nothing is left of it.
    void awaitStop(Domain domain) throws InterruptedException;

    /// Waits until nothing is left of a domain.
    void awaitEnd(Domain domain) throws InterruptedException;
}
