package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The domains whose rings are served, and what is told of their coming and going.
final class IntroducedDomains {
    private static final class Introduced {
        final Session session;
        boolean shutdown;

        Introduced(Session session) {
            this.session = session;
        }
    }

    private final Map<DomId, Introduced> introduced = new HashMap<>();
    private final FormerDomains former;
    private final SpecialWatches special;
    private final Accounts accounts;
    private final Consumer<Session> reset;

    /// @param reset drops what a session has
    IntroducedDomains(
            FormerDomains former,
            SpecialWatches special,
            Accounts accounts,
            Consumer<Session> reset) {
        this.former = former;
        this.special = special;
        this.accounts = accounts;
        this.reset = reset;
    }

    boolean contains(DomId domain) {
        // DOMID_SELF counts, in both existing daemons.
        return domain.equals(DomId.DOM0)
                || domain.equals(DomId.SELF)
                || introduced.containsKey(domain);
    }

    void introduce(DomId domain, Session session) {
        introduced.put(domain, new Introduced(session));
        special.fireIntroduce(domain);
    }

    /// Ends the service for a domain, removes the nodes that it owns and its entries in other nodes' permissions, so that
    /// neither the next domain of this id gets them nor the store fills with them (XSA-322, XSA-419).
    void release(DomId domain) {
        Introduced gone = introduced.remove(domain);
        if (gone != null) {
            reset.accept(gone.session);
        }
        for (Introduced other : introduced.values()) {
            if (other.session.caller().target().equals(domain)) {
                other.session.target(other.session.caller().domain());
            }
        }
        forget(domain);
        special.fireRelease(domain);
    }

    /// Removes what is left of a domain that is gone, which need not have been introduced.
    void forget(DomId domain) {
        former.remove(domain);
        accounts.close(domain);
    }

    /// Fires `@releaseDomain` once when a domain has shut down, until it is resumed.
    void shutdown(DomId domain) {
        Introduced gone = introduced.get(domain);
        if (gone != null && !gone.shutdown) {
            gone.shutdown = true;
            special.fireRelease(domain);
        }
    }

    boolean isShutdown(DomId domain) {
        Introduced known = introduced.get(domain);
        return known != null && known.shutdown;
    }

    /// As after [#shutdown], which fired before it was saved.
    void restoreShutdown(DomId domain) {
        Introduced restored = introduced.get(domain);
        if (restored != null) {
            restored.shutdown = true;
        }
    }

    void resume(DomId domain) throws XenError {
        existing(domain).shutdown = false;
    }

    void setTarget(DomId domain, DomId target) throws XenError {
        Introduced stub = existing(domain);
        if (!target.equals(DomId.DOM0)) {
            existing(target);
        }
        stub.session.target(target);
    }

    private Introduced existing(DomId domain) throws XenError {
        @Nullable Introduced found = introduced.get(domain);
        if (found == null) {
            throw XenError.ENOENT;
        }
        return found;
    }

    /// A domain may act for itself, or for one that is introduced or about to be.
    ///
    /// @param state what both are restored from
    /// @throws XenError EINVAL if it is neither
    void checkTarget(XenStoreState.DomainState domain, XenStoreState state) throws XenError {
        DomId target = domain.target();
        boolean restored =
                state.domains().stream().anyMatch(saved -> saved.domain().equals(target));
        if (!restored && (target.equals(DomId.SELF) || !contains(target))) {
            throw XenError.EINVAL;
        }
    }
}
