package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.quota.Accounts;
import io.xenemu.xenstore.state.XenStoreState;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The domains whose rings are served, and the special events when they come and go.
public final class IntroducedDomains {
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

    /// @param reset drops the watches and transactions of a session
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

    /// Whether a domain is introduced.
    public boolean contains(DomId domain) {
        // DOMID_SELF counts as introduced, as in both existing daemons.
        return domain.equals(DomId.DOM0)
                || domain.equals(DomId.SELF)
                || introduced.containsKey(domain);
    }

    /// Adds a domain, and fires `@introduceDomain`.
    public void introduce(DomId domain, Session session) {
        introduced.put(domain, new Introduced(session));
        special.fireIntroduce(domain);
    }

    /// Ends the service of a domain. Removes the nodes that it owns and its entries in other nodes' permissions. The
    /// next domain of this id does not get them, and the store does not fill with them (XSA-322, XSA-419).
    public void release(DomId domain) {
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

    /// Removes everything of a domain that is gone, whether it was introduced or not.
    public void forget(DomId domain) {
        former.remove(domain);
        accounts.close(domain);
    }

    /// Fires `@releaseDomain` once when a domain has shut down, until it is resumed.
    public void shutdown(DomId domain) {
        Introduced gone = introduced.get(domain);
        if (gone != null && !gone.shutdown) {
            gone.shutdown = true;
            special.fireRelease(domain);
        }
    }

    /// Whether `@releaseDomain` has fired for the shutdown of a domain.
    public boolean isShutdown(DomId domain) {
        Introduced known = introduced.get(domain);
        return known != null && known.shutdown;
    }

    /// Restores a domain that was shut down before it was saved: `@releaseDomain` has fired already.
    public void restoreShutdown(DomId domain) {
        Introduced restored = introduced.get(domain);
        if (restored != null) {
            restored.shutdown = true;
        }
    }

    /// Notes that a domain runs again after a shutdown (RESUME).
    ///
    /// @throws XenError ENOENT if it is not introduced
    public void resume(DomId domain) throws XenError {
        existing(domain).shutdown = false;
    }

    /// Lets a domain act for another one as well (SET_TARGET).
    ///
    /// @throws XenError ENOENT if one of them is not introduced
    public void setTarget(DomId domain, DomId target) throws XenError {
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

    /// Checks a domain's target: itself, or a domain that is introduced or about to be.
    ///
    /// @param state the state that both are restored from
    /// @throws XenError EINVAL if it is neither
    public void checkTarget(XenStoreState.DomainState domain, XenStoreState state) throws XenError {
        DomId target = domain.target();
        boolean restored =
                state.domains().stream().anyMatch(saved -> saved.domain().equals(target));
        if (!restored && (target.equals(DomId.SELF) || !contains(target))) {
            throw XenError.EINVAL;
        }
    }
}
