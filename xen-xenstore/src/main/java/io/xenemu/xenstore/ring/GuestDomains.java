package io.xenemu.xenstore.ring;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.store.KnownDomains;

/// The domains whose rings a host tool can have served (INTRODUCE) and let go of (RELEASE); the owner of the guests
/// answers. Called with the store's lock held: a method must not wait for anything that may call the store.
public interface GuestDomains extends KnownDomains {
    /// Knows only domain 0: for a XenStore of host tools.
    GuestDomains NONE =
            new GuestDomains() {
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

    /// Whether there is such a domain, introduced to the store or not. Only existing domains can be given
    /// permissions.
    @Override
    boolean exists(DomId domain);

    /// The ring of a domain, for a host tool's INTRODUCE request, and the receiver of its connection. The domain may
    /// have been released and still run, or still be introduced: tools make a new event channel that way.
    ///
    /// @param gfn guest frame of the ring's page
    /// @param port event channel port in the domain
    /// @throws XenError ENOENT no such domain; EINVAL page or port cannot be used. The connection served before then
    ///     goes on.
    IntroducedRing ring(DomId domain, long gfn, int port) throws XenError;

    /// A host tool has released a domain, which may still run. Its event channel is let go, as xenstored does, until
    /// the domain is introduced again.
    void released(DomId domain);
}
