package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_START;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A guest cannot make the store hold more for it than its memory quota and [Quota#MEMORY_SLACK]. Earlier versions of
/// the tree that transactions keep stay within [Quota#PINNED_BYTES].
class MemoryBoundTest {
    private static final String OK = "OK\0";
    private static final String DEEP = "data" + "/a".repeat(1000);

    /// More than one change of one node replaces.
    private static final int ONE_CHANGE = 1 << 20;

    private final Rig rig = new Rig();
    private final Rig.Client dom0 = rig.client(0);
    private final RingEnd ring = new RingEnd(rig.guest(3));
    private final Rig.Client guest = rig.client(3);
    private final Account account = rig.server.access().store().accounts().of(new DomId(3));

    @BeforeEach
    void home() {
        dom0.ask(MKDIR, "/local/domain/3/data\0");
        dom0.ask(SET_PERMS, "/local/domain/3/data\0n3\0");
    }

    @AfterEach
    void close() {
        assertEquals(OK, dom0.ask(CONTROL, "check\0"));
        rig.close();
    }

    private void assertBounded(String after) {
        long limit = (long) Quotas.DEFAULT.limit(Quota.MEMORY) + Quota.MEMORY_SLACK;
        assertTrue(account.memory() <= limit, after + ": " + account.memory());
        long pinned = rig.server.access().store().pinnedBytes();
        assertTrue(pinned <= Quota.PINNED_BYTES + ONE_CHANGE, after + ": " + pinned);
    }

    private static String node(int i) {
        return "data/" + i / 40 + "/" + i % 40 + "\0";
    }

    private void nodes() {
        for (int i = 0; i < 1000; i++) {
            guest.ask(WRITE, node(i) + "x".repeat(1900));
        }
        assertBounded("nodes");
    }

    private void deepNodes() {
        guest.ask(MKDIR, DEEP + "\0");
        assertBounded("deep nodes");
    }

    private void watches() {
        for (int i = 0; i < 128; i++) {
            guest.ask(WATCH, "w" + i + "/a".repeat(1000) + "\0t\0");
        }
        guest.ask(WATCH, "data\0t\0");
        guest.drain();
        assertBounded("watches");
        assertTrue(account.watches() < 12, "watches of 1000 levels: " + account.watches());
    }

    private void transactions() {
        for (int i = 0; i < 10; i++) {
            String id = guest.ask(TRANSACTION_START, "\0");
            if (!id.startsWith("E")) {
                use(Integer.parseInt(id.replace("\0", "")), i);
            }
        }
        assertBounded("transactions");
    }

    private void use(int tx, int round) {
        for (int i = 0; i < 1000; i++) {
            guest.ask(READ, tx, node(i));
            guest.ask(WRITE, tx, node(i) + round + "y".repeat(1800));
            guest.ask(WRITE, tx, DEEP + "\0" + i);
            guest.ask(RM, tx, "data/" + i + "\0");
            // Outside of the transaction, so that it keeps the versions of before.
            guest.ask(WRITE, node(i) + round + "z".repeat(1800));
        }
        assertBounded("transaction " + tx);
    }

    private void unreadEvents() {
        ring.ask(WATCH, 0, "data\0u\0");
        for (int i = 0; i < 20_000; i++) {
            dom0.ask(MKDIR, "/local/domain/3/data/e" + i + "\0");
            dom0.ask(RM, "/local/domain/3/data/e" + i + "\0");
        }
        assertBounded("events");
    }

    @Test
    void memoryIsBoundedWhenWatchesAreFirst() {
        watches();
        deepNodes();
        nodes();
        transactions();
        unreadEvents();
    }

    @Test
    void memoryIsBoundedWhenTransactionsAreFirst() {
        deepNodes();
        transactions();
        nodes();
        unreadEvents();
        watches();
    }

    @Test
    void memoryIsBoundedWhenUnreadEventsAreFirst() {
        unreadEvents();
        transactions();
        watches();
        nodes();
    }

    /// Changes the store until transactions have let go of their versions.
    private void churn() {
        long before = rig.server.access().store().pinnedBytes();
        for (int i = 0; rig.server.access().store().pinnedBytes() >= before; i++) {
            before = rig.server.access().store().pinnedBytes();
            dom0.ask(WRITE, "/churn\0" + i + "x".repeat(3000));
            assertTrue(i < 10_000, "nothing was let go");
        }
        assertBounded("churn");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void transactionGoesOnInALaterTree(boolean used) {
        guest.ask(WRITE, "data/a\0one");
        int tx = guest.begin();
        assertEquals("one", guest.ask(READ, tx, "data/a\0"));
        assertEquals(OK, guest.ask(WRITE, tx, "data/x\0two"));
        assertEquals(OK, guest.ask(RM, tx, "data/none\0"));
        churn();
        dom0.ask(WRITE, "/local/domain/3/data/other\0three");
        dom0.ask(SET_PERMS, "/local/domain/3/data/other\0n3\0");
        if (used) {
            assertEquals("two", guest.ask(READ, tx, "data/x\0"));
            assertEquals("three", guest.ask(READ, tx, "data/other\0"));
            assertEquals(OK, guest.ask(WRITE, tx, "data/y\0four"));
            churn();
        }
        assertEquals(OK, guest.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals("two", guest.ask(READ, "data/x\0"));
        assertEquals(used ? "four" : "ENOENT", guest.ask(READ, "data/y\0"));
        assertEquals("three", guest.ask(READ, "data/other\0"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void transactionInConflictWithALaterTreeFails(boolean used) {
        guest.ask(WRITE, "data/a\0one");
        int tx = guest.begin();
        assertEquals("one", guest.ask(READ, tx, "data/a\0"));
        assertEquals(OK, guest.ask(WRITE, tx, "data/x\0two"));
        churn();
        guest.ask(WRITE, "data/a\0changed");
        if (used) {
            assertEquals("two", guest.ask(READ, tx, "data/x\0"));
            guest.ask(WRITE, "data/a\0one"); // too late: it may have seen both
        }
        assertEquals("EAGAIN", guest.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals("ENOENT", guest.ask(READ, "data/x\0"));
    }

    @Test
    void transactionThatOnlyReadsFailsIfItHasSeenTwoTreesThatDiffer() {
        guest.ask(WRITE, "data/a\0one");
        guest.ask(WRITE, "data/b\0one");
        List<Integer> open = new ArrayList<>(List.of(guest.begin(), guest.begin()));
        open.forEach(tx -> assertEquals("one", guest.ask(READ, tx, "data/a\0")));
        churn();
        guest.ask(WRITE, "data/a\0two");
        guest.ask(WRITE, "data/b\0two");
        assertEquals("two", guest.ask(READ, open.getFirst(), "data/b\0"));
        assertEquals("EAGAIN", guest.ask(TRANSACTION_END, open.getFirst(), "T\0"));
        assertEquals(OK, guest.ask(TRANSACTION_END, open.getLast(), "T\0"));
    }

    @Test
    void transactionsOfDomain0KeepTheirVersion() {
        dom0.ask(WRITE, "/a\0one");
        int tx = dom0.begin();
        guest.begin();
        churn();
        dom0.ask(WRITE, "/a\0two");
        assertEquals("one", dom0.ask(READ, tx, "/a\0"));
    }
}
