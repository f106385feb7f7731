package io.xenemu.xenstore.ring;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.metrics.RequestMetrics;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.quota.SavedQuotas;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.store.Outlet;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.store.StoreSnapshot;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.Features;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves a guest through its ring page, by `docs/misc/xenstore-ring.txt`.
///
/// The guest sends an event whenever it has produced or consumed; core then calls [#service], on any thread. Messages
/// are taken off the ring as they arrive, so a message may come in any pieces. Inconsistent indices, and payloads
/// announced over the limit, put the connection into the error state. It stays there until the guest asks for a
/// reconnection or is introduced again. Other clients are not affected.
///
/// Requests stay in the ring while the guest does not read its replies. They are taken when it reads, since it then
/// sends an event too.
public final class RingConnection {
    private static final Logger log = LoggerFactory.getLogger(RingConnection.class);

    private enum State {
        CONNECTED,
        FAILED,
        RELEASED
    }

    private final StoreAccess access;
    private final DomId domain;
    private final Session session;
    private final Account account;
    private final RequestMetrics metrics;
    private final RingInput input = new RingInput();
    private final RingOutput output;
    private Ring ring;
    private RingPage page;
    private Runnable doorbell;
    // Quotas of another daemon, kept for the next one.
    private List<XenStoreState.QuotaState> foreignQuotas = List.of();
    private State state = State.CONNECTED;
    private boolean notify;
    private boolean held;

    RingConnection(StoreAccess access, DomId domain, Ring ring, RequestMetrics metrics) {
        this.access = access;
        this.domain = domain;
        this.ring = ring;
        this.page = new RingPage(ring.page());
        this.doorbell = ring.doorbell()::ring;
        this.metrics = metrics;
        this.session = access.connect(domain, new RingOutlet());
        this.account = session.account();
        this.output = new RingOutput(account);
    }

    /// The domain that is served.
    public DomId domain() {
        return domain;
    }

    /// Serves the ring: takes requests, answers them, moves output on. Call it when the domain has sent an event on
    /// its store port. It is cheap when there is nothing to do, handles at most one ring full of requests, and may be
    /// called from any thread, even concurrently. The doorbell rings on the calling thread, at most once.
    public void service() {
        access.enter();
        try {
            pump();
        } finally {
            access.leave();
        }
    }

    /// Leaves the ring alone until [#proceed]: takes no request, and writes no reply or event. When it returns, no
    /// thread is at the ring; one that was may still be about to ring the doorbell. A host tool cannot introduce or
    /// release the domain meanwhile.
    public void hold() {
        access.enter();
        try {
            held = true;
        } finally {
            access.leave();
        }
    }

    /// Serves the ring again, and what has waited.
    public void proceed() {
        access.enter();
        try {
            held = false;
            session.changed();
            pump();
        } finally {
            access.leave();
        }
    }

    /// Whether [#hold] was called last. Lock held.
    boolean isHeld() {
        return held;
    }

    Session session() {
        return session;
    }

    private void pump() {
        if (state == State.RELEASED || held) {
            return;
        }
        if (page.connection() == RingPage.RECONNECT && account.hasFeature(Features.RECONNECTION)) {
            reset();
            return;
        }
        if (state == State.CONNECTED && send()) {
            receiveAll(page.requestConsumer());
        }
        if (notify) {
            session.changed();
        }
    }

    /// Takes the requests that the guest has produced. If it produces more meanwhile, it sends another event.
    private void receiveAll(int first) {
        int producer = page.requestProducer();
        if (Integer.compareUnsigned(producer - first, RingPage.BUFFER_SIZE) > 0) {
            fail(RingPage.ERROR_RING_INDEX, "request indices are inconsistent");
            return;
        }
        int consumer = first;
        boolean more = consumer != producer;
        while (more && state == State.CONNECTED) {
            int left = receive(consumer, producer - consumer);
            send();
            more = left > 0 && left < producer - consumer; // else the guest is to read first
            consumer = producer - left;
        }
    }

    /// Takes up to `available` bytes of requests from `from` on, as long as the guest reads its replies. Returns the
    /// number of bytes left.
    private int receive(int from, int available) {
        int consumer = from;
        int left = available;
        while (left > 0 && output.mayTakeMore()) {
            int count = input.take(page, consumer, left);
            consumer += count;
            left -= count;
            if (input.isTooLong()) {
                fail(RingPage.ERROR_PROTOCOL, "payload is too long");
                return 0;
            }
            if (input.isComplete()) {
                input.clear();
                XenError error =
                        access.handle(session, output.replies(), input.message(), 0, metrics);
                output.handled();
                if (ring.observer().isObserving()) {
                    tell(input.message(), error);
                }
            }
        }
        if (left != available) {
            page.setRequestConsumer(consumer);
            notify = true;
        }
        return left;
    }

    private void tell(byte[] message, @Nullable XenError error) {
        MessageType type = MessageType.of(MessageHeader.type(message, 0));
        int end = MessageHeader.SIZE;
        while (end < MessageHeader.SIZE + MessageHeader.length(message, 0) && message[end] != 0) {
            end++;
        }
        String first =
                new String(message, MessageHeader.SIZE, end - MessageHeader.SIZE, ISO_8859_1);
        String name = type == null ? "type " + MessageHeader.type(message, 0) : type.name();
        ring.observer()
                .served(
                        first.isEmpty() ? name : name + ' ' + first,
                        error == null ? "ok" : error.symbol());
    }

    /// Moves output into the ring as far as there is room; returns false if the connection has failed.
    private boolean send() {
        int sent = output.send(page);
        if (sent == RingOutput.INCONSISTENT) {
            return fail(RingPage.ERROR_RING_INDEX, "response indices are inconsistent");
        }
        notify |= sent > 0;
        return true;
    }

    private boolean fail(int error, String why) {
        log.debug("{}: ring connection stopped: {}", domain, why);
        forget();
        state = State.FAILED;
        if (account.hasFeature(Features.ERROR)) {
            page.setError(error);
        }
        notify = true;
        return false;
    }

    private void forget() {
        access.store().reset(session);
        output.clear();
        input.clear();
    }

    /// The state outside the page, and a copy of the output that the guest has not read. Lock held.
    XenStoreState.DomainState save(boolean shutdown) {
        return new XenStoreState.DomainState(
                domain,
                session.caller().target(),
                shutdown,
                state == State.FAILED,
                ring.gfn(),
                ring.port(),
                account.features(),
                SavedQuotas.of(account.quotas(), access.store().accounts().quotas(), foreignQuotas),
                StoreSnapshot.connection(session, access.store(), input.copy(), output.copy()));
    }

    /// Takes over the domain's limits and features, before anything that they apply to.
    ///
    /// @param others the limits that are not in the saved state
    void restoreLimits(XenStoreState.DomainState saved, Quotas others) {
        if (saved.features() != XenStoreState.DomainState.FEATURES_UNKNOWN) {
            account.features(saved.features() & Features.ALL);
        }
        account.quotas(SavedQuotas.restore(others, saved.quotas()));
        foreignQuotas = SavedQuotas.foreign(saved.quotas());
    }

    /// Continues a saved connection in the page as it is. Other daemons do not save whether a ring failed; then the
    /// page's error field decides. The guest gets an event, since one may have been lost. Lock held.
    void restore(XenStoreState.DomainState saved) {
        boolean failed = saved.failed() || page.error() != RingPage.ERROR_NONE;
        state = failed ? State.FAILED : State.CONNECTED;
        if (saved.features() != XenStoreState.DomainState.FEATURES_UNKNOWN) {
            page.setFeatures(saved.features());
        }
        input.restore(saved.connection().input());
        output.restore(saved.connection().output());
        notify = true;
        session.changed();
    }

    /// Guest frame of the ring's page.
    ///
    /// @param other the answer if the frame is not known
    long gfn(long other) {
        return ring.gfn() == 0 ? other : ring.gfn();
    }

    /// Returns to the state after introduction, at the guest's request or because it starts again. Lock held.
    void reset() {
        forget();
        state = State.CONNECTED;
        page.connect(account.features());
        notify = true;
        session.changed();
    }

    /// Resets the connection, with another page or doorbell: see [#reset]. Lock held.
    void reset(Ring another) {
        ring = another;
        page = new RingPage(ring.page());
        doorbell = ring.doorbell()::ring;
        reset();
    }

    /// Stops using the page for good. Lock held.
    void release() {
        forget();
        state = State.RELEASED;
    }

    private final class RingOutlet implements Outlet {
        @Override
        public void watchEvent(Path path, int skip, byte[] token) {
            if (state == State.CONNECTED) {
                metrics.event(!output.event(path, skip, token));
            }
        }

        @Override
        public @Nullable Runnable flush() {
            if (held) {
                return null;
            }
            if (state == State.CONNECTED) {
                send();
            }
            if (!notify || state == State.RELEASED) {
                return null;
            }
            notify = false;
            return doorbell;
        }

        @Override
        public void failed(Throwable failure) {
            ring.failed().accept(failure);
        }
    }
}
