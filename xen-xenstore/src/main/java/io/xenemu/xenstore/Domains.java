package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;

/// What the store has to ask about domains; the composition root answers. Called with the store's lock held: an answer
/// must not wait for anything that may call the store.
public interface Domains {
    /// A world with domain 0 alone: a XenStore for host tools.
    Domains NONE =
            new Domains() {
                @Override
                public boolean exists(DomId domain) {
                    return domain.equals(DomId.DOM0);
                }

                @Override
                public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
                    throw XenError.ENOENT;
                }

                @Override
                public void released(DomId domain) {
                    throw new IllegalStateException(domain + " was never introduced");
                }
            };

    /// Whether there is such a domain, introduced to the store or not. Permissions can be given to these only.
    boolean exists(DomId domain);

    /// The ring of a domain, for an INTRODUCE request of a host tool, and whom to give its connection to. The domain may
    /// have been released while it runs, or be introduced still: tools make a new event channel that way.
    ///
    /// @param gfn guest frame of the ring's page
    /// @param port event channel port in the domain
    /// @throws XenError ENOENT if there is no such domain; EINVAL if page or port cannot be used. What was served before is
    ///     served on then.
    IntroducedRing ring(DomId domain, long gfn, int port) throws XenError;

    /// A host tool has released a domain, which may still run: its event channel is to be let go, as xenstored does, until the
    /// domain is introduced again.
    void released(DomId domain);
}
