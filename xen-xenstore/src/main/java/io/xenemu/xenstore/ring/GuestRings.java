package io.xenemu.xenstore.ring;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.request.DomainRequests;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.store.XenStore;
import io.xenemu.xenstore.wire.Request;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The rings of the introduced domains, and the requests that start and end their service. The store's lock is held.
public final class GuestRings implements DomainRequests {
    private record Guest(RingConnection ring, XenStoreMetrics.DomainMeters meters) {}

    private final StoreAccess access;
    private final XenStore store;
    private final GuestDomains domains;
    private final XenStoreMetrics metrics;
    private final Map<DomId, Guest> guests = new TreeMap<>(Comparator.comparingInt(DomId::value));

    /// No rings yet.
    ///
    /// @param domains answers for INTRODUCE and RELEASE
    public GuestRings(StoreAccess access, GuestDomains domains, XenStoreMetrics metrics) {
        this.access = access;
        this.store = access.store();
        this.domains = domains;
        this.metrics = metrics;
    }

    /// Whether a domain is introduced.
    public boolean contains(DomId domain) {
        return guests.containsKey(domain);
    }

    /// Starts to serve a ring, or goes on with another page or doorbell.
    public RingConnection introduce(DomId domain, Ring ring) {
        return introduce(domain, new IntroducedRing(ring, _ -> {}));
    }

    private RingConnection introduce(DomId domain, IntroducedRing introduced) {
        Ring ring = introduced.ring();
        @Nullable Guest known = guests.get(domain);
        if (known != null) {
            introduced.events().accept(known.ring);
            known.ring.reset(ring);
            return known.ring;
        }
        store.removeNamesFromBefore(domain);
        RingConnection connection = connect(domain, ring);
        introduced.events().accept(connection);
        connection.reset();
        store.introduced().introduce(domain, connection.session());
        return connection;
    }

    /// Serves a ring from now on, but does not touch it yet.
    RingConnection connect(DomId domain, Ring ring) {
        XenStoreMetrics.DomainMeters meters = metrics.register(domain);
        RingConnection connection = new RingConnection(access, domain, ring, meters);
        Session session = connection.session();
        meters.registerGauges(
                () -> session.watches().size(),
                () -> session.transactions().size(),
                () -> store.nodeCounts().nodes(domain));
        meters.registerQuotas(session.account()::memory, session.account()::denied);
        guests.put(domain, new Guest(connection, meters));
        access.countConnection(1);
        return connection;
    }

    /// Ends the service of a domain that is gone, introduced or not.
    public void end(DomId domain) {
        @Nullable Guest gone = guests.remove(domain);
        if (gone == null) {
            store.introduced().forget(domain);
            return;
        }
        gone.ring.release();
        gone.meters.remove();
        access.countConnection(-1);
        store.introduced().release(domain);
    }

    /// Stops using all rings; their domains' nodes stay.
    public void close() {
        guests.values()
                .forEach(guest -> {
                    guest.ring.release();
                    guest.meters.remove();
                });
        guests.clear();
    }

    /// The states of all introduced domains.
    public List<XenStoreState.DomainState> save() {
        return guests.keySet().stream().map(this::save).toList();
    }

    /// The state of an introduced domain.
    public XenStoreState.DomainState save(DomId domain) {
        return Objects.requireNonNull(guests.get(domain))
                .ring
                .save(store.introduced().isShutdown(domain));
    }

    @Override
    public void introduce(Request.Introduce request) throws XenError {
        DomId domain = request.domain();
        if (domain.value() >= DomId.FIRST_RESERVED
                || domain.equals(DomId.DOM0)
                || request.port() == 0) {
            throw XenError.EINVAL;
        }
        requireNotHeld(domain);
        @Nullable Guest known = guests.get(domain);
        // A different frame is ignored, as in C xenstored; the port may differ.
        long gfn = known == null ? request.gfn() : known.ring.gfn(request.gfn());
        introduce(domain, domains.ring(domain, gfn, request.port()));
    }

    @Override
    public void release(DomId domain) throws XenError {
        if (domain.equals(DomId.DOM0)) {
            throw XenError.EINVAL;
        }
        if (!contains(domain)) {
            throw XenError.ENOENT;
        }
        requireNotHeld(domain);
        end(domain);
        domains.released(domain);
    }

    /// A domain that is being saved keeps its ring and its connection as they are.
    private void requireNotHeld(DomId domain) throws XenError {
        @Nullable Guest known = guests.get(domain);
        if (known != null && known.ring.isHeld()) {
            throw XenError.EBUSY;
        }
    }
}
