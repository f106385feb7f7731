package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.DIRECTORY;
import static io.xenemu.xenstore.wire.MessageType.IS_DOMAIN_INTRODUCED;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RESET_WATCHES;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.request.OutputQueue;
import io.xenemu.xenstore.wire.MessageType;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Flaws of xenstored and oxenstored in memory, counts and rings, by Xen's security advisories, must not be possible
/// here. One method each, named after it.
final class ResourceAdvisoryTest extends AdvisoryRig {
    /// oxenstored mixed up replies that are larger than the ring.
    @Test
    void xsa72_repliesLargerThanTheRingArriveWhole() {
        dom0.ask(WRITE, "/local/domain/3/data/v\0" + "y".repeat(3000));
        dom0.ask(SET_PERMS, "/local/domain/3/data/v\0n3\0");
        RingEnd guest = ring(3);
        guest.send(RingEnd.message(READ, 1, 0, "data/v\0"), 1024);
        guest.send(RingEnd.message(MessageType.GET_DOMAIN_PATH, 2, 0, "3\0"), 1024);
        assertEquals(
                List.of("y".repeat(3000), "/local/domain/3\0"),
                guest.receive().stream().map(Rig.Reply::text).toList());
    }

    /// A guest that writes all the time made every transaction of domain 0 fail.
    @Test
    void xsa206_writesOfAGuestDoNotStarveTransactions() {
        Rig.Client guest = rig.client(3);
        int tx = dom0.begin();
        for (int i = 0; i < 2000; i++) {
            assertEquals(OK, dom0.ask(WRITE, tx, "/local/domain/3/device/" + i + "\0x"));
            assertEquals(OK, guest.ask(WRITE, "data/mine\0" + i));
            if (i % 10 == 0) {
                assertEquals(OK, guest.ask(WRITE, "data/new" + i + "\0"));
            }
        }
        assertEquals(OK, dom0.ask(TRANSACTION_END, tx, "T\0"));
    }

    /// An event of path and token together over the limit of a message ended xenstored.
    @Test
    void xsa324_eventThatIsTooLongForAMessageIsDropped() {
        Rig.Client guest = rig.client(3);
        String token = "t".repeat(4000);
        assertEquals(OK, guest.ask(WATCH, "data\0" + token + "\0"));
        guest.drain();
        assertEquals(OK, dom0.ask(WRITE, "/local/domain/3/data/" + "n".repeat(200) + "\0x"));
        assertEquals(List.of(), guest.events());
        assertEquals(OK, dom0.ask(WRITE, "/local/domain/3/data/short\0x"));
        assertEquals(List.of("data/short " + token), guest.events());
    }

    /// A guest whose ring was in error was never cleaned up.
    @Test
    void xsa325_domainWithABrokenRingIsReleasedAndTheReleaseIsReported() {
        dom0.ask(WATCH, "@releaseDomain\0t\0");
        dom0.drain();
        RingEnd guest = ring(3);
        guest.set(RingEnd.REQ_PROD, 5000);
        guest.service();
        assertEquals(List.of(), dom0.events());
        rig.server.shutdown(DOM3);
        assertEquals(List.of("@releaseDomain t"), dom0.events());
        rig.server.release(DOM3);
        assertEquals(List.of("@releaseDomain t"), dom0.events());
        assertEquals("ENOENT", dom0.ask(READ, "/local/domain/3/data\0"));
        assertEquals("F\0", dom0.ask(IS_DOMAIN_INTRODUCED, "3\0"));
    }

    /// Events for a guest that does not read used up all memory.
    @Test
    void xsa326_eventsForAGuestThatDoesNotReadStayWithinItsMemory() {
        RingEnd lazy = ring(3);
        lazy.ask(WATCH, 0, "data\0t\0");
        for (int i = 0; i < 3000; i++) {
            dom0.ask(WRITE, "/local/domain/3/data/" + "n".repeat(1000) + i + "\0");
            dom0.ask(RM, "/local/domain/3/data/" + "n".repeat(1000) + i + "\0");
        }
        Account account = rig.server.access().store().accounts().of(DOM3);
        int limit = Quotas.DEFAULT.limit(Quota.MEMORY);
        assertTrue(account.memory() <= limit, "memory: " + account.memory());
        assertTrue(account.memory() > limit - 10_000, "memory: " + account.memory());
        assertTrue(account.denied(Quota.MEMORY) > 0);
        lazy.receive();
        dom0.ask(WRITE, "/local/domain/3/data/again\0");
        assertEquals("data/again\0t\0", lazy.receive().getFirst().text());
    }

    /// The same event again and again was queued again and again.
    @Test
    void xsa326_sameEventWaitsOnce() {
        RingEnd lazy = ring(3);
        lazy.ask(WATCH, 0, "data\0t\0");
        for (int i = 0; i < 1000; i++) {
            dom0.ask(WRITE, "/local/domain/3/data/x\0" + i);
        }
        // What fits the ring of 25 bytes each, one that is sent in part, and one that waits.
        assertTrue(lazy.receive().size() <= 1024 / 25 + 2);
    }

    /// oxenstored leaked what RESET_WATCHES drops.
    @Test
    void xsa330_resetWatchesFreesAllMemoryOfWatchesAndTransactions() {
        Rig.Client guest = rig.client(3);
        Account account = rig.server.access().store().accounts().of(DOM3);
        long before = account.memory();
        for (int round = 0; round < 50; round++) {
            for (int i = 0; i < 100; i++) {
                assertEquals(OK, guest.ask(WATCH, "data\0t" + i + "\0"));
            }
            int tx = guest.begin();
            guest.ask(READ, tx, "data\0");
            guest.ask(READ, tx, "data/none\0");
            assertTrue(account.memory() > before);
            assertEquals(OK, guest.ask(RESET_WATCHES, "\0"));
        }
        assertEquals(before, account.memory());
        assertEquals(0, account.watches());
        assertEquals(0, account.transactions());
    }

    /// Errors while nodes were created used what had been freed (414), or left nodes without a parent (415).
    @Test
    void xsa414_xsa415_creationThatFailsHalfWayLeavesNothing() {
        Rig.Client guest = rig.client(3);
        String tooLarge = "x".repeat(2048);
        assertEquals("ENOSPC", guest.ask(WRITE, "data/a/b/c\0" + tooLarge));
        int tx = guest.begin();
        assertEquals("ENOSPC", guest.ask(WRITE, tx, "data/a/b/c\0" + tooLarge));
        assertEquals("ENOENT", guest.ask(READ, tx, "data/a\0"));
        assertEquals(OK, guest.ask(WRITE, tx, "data/d/e\0x"));
        assertEquals(OK, guest.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals("d\0", guest.ask(DIRECTORY, "data\0"));
    }

    /// Memory that a request used for a while was freed only when the guest allowed it.
    @Test
    void xsa416_failedRequestsTakeNoMemory() {
        RingEnd guest = ring(3);
        Account account = rig.server.access().store().accounts().of(DOM3);
        long before = account.memory();
        for (int i = 0; i < 1000; i++) {
            guest.ask(READ, 0, "data/none" + i + "\0");
            guest.ask(WRITE, 0, "/secret/x\0" + "x".repeat(900));
            guest.ask(READ, 77, "data\0");
        }
        assertEquals(before, account.memory());
    }

    @Test
    void xsa416_guestThatDoesNotReadHasOnlyAFewRepliesWaiting() {
        RingEnd guest = ring(3);
        Account account = rig.server.access().store().accounts().of(DOM3);
        long before = account.memory();
        dom0.ask(WRITE, "/local/domain/3/data/v\0" + "x".repeat(4000));
        dom0.ask(SET_PERMS, "/local/domain/3/data/v\0n3\0");
        long kept = account.memory();
        byte[] request = RingEnd.message(READ, 1, 0, "data/v\0");
        int sent = 0;
        while (guest.get(RingEnd.REQ_PROD) - guest.get(RingEnd.REQ_CONS) < 900) {
            guest.send(request, request.length);
            sent++;
            assertTrue(sent < 1000, "all requests are taken");
        }
        long largest = 16 + 4096;
        long waiting = account.memory() - kept;
        assertTrue(waiting > largest && waiting <= 5 * largest, "waiting: " + waiting);
        assertEquals(sent, guest.receive().size());
        assertEquals(kept, account.memory());
        dom0.ask(RM, "/local/domain/3/data/v\0");
        assertEquals(before, account.memory());
    }

    @Test
    void xsa416_memoryOfRepliesIsFreeWhenTheyAreRead() {
        OutputQueue queue = new OutputQueue();
        for (int i = 0; i < 100; i++) {
            queue.reply(READ, i, 0, new byte[4000]);
        }
        assertTrue(queue.buffer().length >= 400_000);
        queue.advance(queue.size());
        assertEquals(0, queue.buffer().length);
        assertEquals(0, queue.held());
    }

    /// oxenstored took the upper bit of ring indices away.
    @Test
    void xsa420_indicesOfAllBitsWork() {
        for (int start : List.of(0x3fffff00, 0x7fffff00, 0xbfffff00, 0xffffff00)) {
            RingEnd guest = ring(3);
            for (int at : List.of(RingEnd.REQ_CONS, RingEnd.REQ_PROD)) {
                guest.set(at, start);
            }
            for (int at : List.of(RingEnd.RSP_CONS, RingEnd.RSP_PROD)) {
                guest.set(at, start);
            }
            for (int i = 0; i < 40; i++) {
                assertEquals("/local/domain/3\0", guest.ask(MessageType.GET_DOMAIN_PATH, 0, "3\0"));
            }
        }
    }

    /// A node made and removed in one transaction stopped the commit half-way, and was not accounted for.
    @Test
    void xsa421_nodesMadeAndRemovedInOneTransactionAreAccountedFor() {
        Rig.Client guest = rig.client(3);
        int before = rig.server.access().store().nodeCounts().nodes(DOM3);
        for (int round = 0; round < 20; round++) {
            int tx = guest.begin();
            assertEquals(OK, guest.ask(WRITE, tx, "data/gone/x\0x"));
            assertEquals(OK, guest.ask(WRITE, tx, "data/kept\0x"));
            assertEquals(OK, guest.ask(RM, tx, "data/gone\0"));
            assertEquals(OK, guest.ask(TRANSACTION_END, tx, "T\0"));
        }
        assertEquals(before + 1, rig.server.access().store().nodeCounts().nodes(DOM3));
    }

    /// The check of the quota at the end of a transaction met a conflict on what it counted.
    @Test
    void xsa440_conflictOnRemovedNodesDoesNotHarmTheCount() {
        Rig.Client guest = rig.client(3);
        guest.ask(WRITE, "data/a\0x");
        int tx = guest.begin();
        guest.ask(RM, tx, "data/a\0");
        guest.ask(WRITE, tx, "data/b\0x");
        guest.ask(RM, "data/a\0");
        assertEquals("EAGAIN", guest.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals(1, rig.server.access().store().nodeCounts().nodes(DOM3));
        assertEquals("", guest.ask(DIRECTORY, "data\0"));
    }

    /// RESET_WATCHES within a transaction ended xenstored.
    @Test
    void xsa484_resetWatchesWithinATransactionDropsIt() {
        Rig.Client guest = rig.client(3);
        int tx = guest.begin();
        guest.ask(WRITE, tx, "data/x\0x");
        assertEquals(OK, guest.ask(RESET_WATCHES, tx, "\0"));
        assertEquals("ENOENT", guest.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals("ENOENT", guest.ask(READ, "data/x\0"));
        assertEquals(0, rig.server.access().store().transactionCount());
    }
}
