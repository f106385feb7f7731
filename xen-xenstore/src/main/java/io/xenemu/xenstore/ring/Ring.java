package io.xenemu.xenstore.ring;

import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A guest's connection as the store needs it: the page and the doorbell.
///
/// @param page the guest's page with `struct xenstore_domain_interface`, shared with the guest: at least
///     [RingPage#SIZE] bytes, 4-byte aligned, and accessible from every thread until the domain is released
/// @param doorbell notifies the guest
/// @param failed ends the guest; receives exceptions of its doorbell, or of our own work on its ring. Called on
///     whichever client's thread, without the store's lock; must not throw
/// @param gfn guest frame of the page, for saved state; 0 if not known
/// @param port event channel port in the guest, for saved state; 0 if not known
/// @param observer sees its requests
public record Ring(
        MemorySegment page,
        Doorbell doorbell,
        Consumer<Throwable> failed,
        long gfn,
        int port,
        RequestObserver observer) {
    private static final Logger log = LoggerFactory.getLogger(Ring.class);

    /// A ring of unknown frame and port, whose failures are only logged.
    public Ring(MemorySegment page, Doorbell doorbell) {
        this(page, doorbell, e -> log.error("a guest's XenStore ring failed", e), 0, 0);
    }

    /// A ring whose requests nobody observes.
    public Ring(
            MemorySegment page, Doorbell doorbell, Consumer<Throwable> failed, long gfn, int port) {
        this(page, doorbell, failed, gfn, port, RequestObserver.NONE);
    }
}
