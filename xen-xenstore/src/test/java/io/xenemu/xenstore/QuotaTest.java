package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.GET_QUOTA;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.SET_QUOTA;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_START;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.store.Watch;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayOutputStream;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Limits for what guests make the store hold, and how they are read and set.
class QuotaTest {
    private static final String OK = "OK\0";
    private static final DomId DOM3 = new DomId(3);

    private final Rig rig = new Rig();
    private final Rig.Client dom0 = rig.client(0);
    private final RingEnd ring = new RingEnd(rig.guest(3));
    private final Rig.Client guest = rig.client(3);

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

    private void limit(Quota quota, int limit) {
        assertEquals(OK, dom0.ask(SET_QUOTA, "3\0" + quota.text() + "\0" + limit + "\0"));
    }

    private Account account() {
        return rig.server.access().store().accounts().of(DOM3);
    }

    private double denied(Quota quota) {
        return rig.registry
                .get("xen.xenstore.denied")
                .tags("domain", "3", "quota", quota.text())
                .functionCounter()
                .count();
    }

    @Test
    void namesAndDefaultsAreThoseOfXenstored() {
        assertEquals(
                "nodes watches outstanding memory transactions transaction-nodes node-permissions"
                        + " path-max node-size soft-memory\0",
                dom0.ask(GET_QUOTA, ""));
        assertEquals(
                "nodes=1000 watches=128 outstanding=20 memory=2621440 transactions=10"
                        + " transaction-nodes=1024 node-permissions=5 path-max=2048 node-size=2048"
                        + " soft-memory=2097152",
                Quotas.DEFAULT.toString());
        for (Quota quota : Quota.all()) {
            assertEquals(quota, Quota.named(quota.text()));
            assertEquals(quota.standard() + "\0", dom0.ask(GET_QUOTA, "3\0" + quota.text() + "\0"));
        }
        assertThrows(IllegalArgumentException.class, () -> Quotas.DEFAULT.with(Quota.NODES, -1));
    }

    @Test
    void globalQuotasApplyToLaterDomainsOnly() {
        assertEquals(OK, dom0.ask(SET_QUOTA, "nodes\0" + "5\0"));
        assertEquals("5\0", dom0.ask(GET_QUOTA, "nodes\0"));
        assertEquals("1000\0", dom0.ask(GET_QUOTA, "3\0nodes\0"));
        rig.guest(4);
        assertEquals("5\0", dom0.ask(GET_QUOTA, "4\0nodes\0"));
        assertEquals(OK, dom0.ask(SET_QUOTA, "4\0nodes\0" + "7\0"));
        assertEquals("7\0", dom0.ask(GET_QUOTA, "4\0nodes\0"));
        rig.server.release(new DomId(4));
        assertEquals("5\0", dom0.ask(GET_QUOTA, "4\0nodes\0"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "nodes",
                "nodes\0",
                "nonsense\0" + "5\0",
                "nodes\0" + "-1\0",
                "nodes\0x\0",
                "nodes\0" + "2147483648\0",
                "x\0nodes\0" + "5\0",
                "3\0nodes\0" + "5\0x\0",
                "65536\0nodes\0" + "5\0"
            })
    void malformedSetQuotaIsEinval(String payload) {
        assertEquals("EINVAL", dom0.ask(SET_QUOTA, payload));
    }

    @Test
    void unknownQuotasAndDomainsAreRefused() {
        assertEquals("EINVAL", dom0.ask(GET_QUOTA, "nonsense\0"));
        assertEquals("EINVAL", dom0.ask(GET_QUOTA, "3\0nodes\0x\0"));
        assertEquals("ENOENT", dom0.ask(GET_QUOTA, "77\0nodes\0"));
        assertEquals("ENOENT", dom0.ask(SET_QUOTA, "77\0nodes\0" + "5\0"));
        assertEquals("EACCES", guest.ask(GET_QUOTA, "nodes\0"));
        assertEquals("EACCES", guest.ask(SET_QUOTA, "nodes\0" + "5\0"));
    }

    @Test
    void newLimitsApplyAtOnceAndZeroIsNoLimit() {
        assertEquals(OK, guest.ask(MKDIR, "data/a\0"));
        limit(Quota.NODES, 2);
        assertEquals("ENOSPC", guest.ask(MKDIR, "data/b\0"));
        assertEquals(1.0, denied(Quota.NODES));
        limit(Quota.NODES, 0);
        for (int i = 0; i < 1100; i++) {
            assertEquals(OK, guest.ask(MKDIR, "data/" + i / 40 + "/" + i % 40 + "\0"));
        }
        limit(Quota.WATCHES, 1);
        assertEquals(OK, guest.ask(WATCH, "data\0a\0"));
        assertEquals("E2BIG", guest.ask(WATCH, "data\0b\0"));
        limit(Quota.TRANSACTIONS, 1);
        int tx = guest.begin();
        assertEquals("ENOSPC", guest.ask(TRANSACTION_START, "\0"));
        assertEquals(OK, guest.ask(TRANSACTION_END, tx, "F\0"));
        limit(Quota.NODE_SIZE, 40);
        assertEquals(OK, guest.ask(WRITE, "data/a\0" + "x".repeat(8)));
        assertEquals("ENOSPC", guest.ask(WRITE, "data/a\0" + "x".repeat(9)));
        limit(Quota.NODE_PERMISSIONS, 1);
        assertEquals("ENOSPC", guest.ask(SET_PERMS, "data/a\0n3\0r0\0"));
    }

    @Test
    void pathsAreAsLongAsTheQuotaAllowsBesideTheDomainsOwnDirectory() {
        limit(Quota.PATH_MAX, 10);
        assertEquals(OK, guest.ask(WRITE, "data/12345\0x"));
        assertEquals("x", guest.ask(READ, "/local/domain/3/data/12345\0"));
        assertEquals("EINVAL", guest.ask(WRITE, "data/123456\0x"));
        assertEquals("EINVAL", guest.ask(READ, "/local/dom1\0"));
        assertEquals("EINVAL", guest.ask(WATCH, "data/123456\0t\0"));
        assertEquals(OK, dom0.ask(WRITE, "/local/domain/3/data/123456\0x"));
        assertEquals(3.0, denied(Quota.PATH_MAX));
    }

    @Test
    void transactionMayLookAtAsManyNodesAsAllowed() {
        limit(Quota.TRANSACTION_NODES, 10);
        int tx = guest.begin();
        for (int i = 0; i < 5; i++) {
            assertEquals("ENOENT", guest.ask(READ, tx, "data/" + i + "\0"));
        }
        for (int i = 0; i < 10; i++) {
            guest.ask(READ, tx, "data/more" + i + "\0");
        }
        assertEquals("ENOSPC", guest.ask(READ, tx, "data\0"));
        assertEquals(OK, guest.ask(TRANSACTION_END, tx, "T\0"));
        int repeated = guest.begin();
        for (int i = 0; i < 10; i++) {
            assertEquals(OK, guest.ask(WRITE, repeated, "data/x\0" + i));
        }
        assertEquals("ENOSPC", guest.ask(WRITE, repeated, "data/x\0"));
    }

    @Test
    void memoryQuotaCountsNodesWatchesTransactionsAndOutput() {
        long start = account().memory();
        guest.ask(WRITE, "data/abc\0" + "x".repeat(100));
        assertEquals(start + 24 + 8 + 3 + 100, account().memory());
        guest.ask(WRITE, "data/abc\0" + "x".repeat(50));
        guest.ask(SET_PERMS, "data/abc\0n3\0r0\0");
        assertEquals(start + 24 + 16 + 3 + 50, account().memory());
        guest.ask(RM, "data/abc\0");
        guest.ask(WATCH, "data\0token\0");
        assertEquals(
                start
                        + Watch.WATCH_BYTES
                        + Path.of("/local/domain/3/data").bytes()
                        + 4 * Watch.LEVEL_BYTES
                        + 5,
                account().memory());
        long watching = account().memory();
        int tx = guest.begin();
        guest.ask(WRITE, tx, "data/x\0" + "y".repeat(1000));
        guest.ask(READ, tx, "data/x\0");
        assertTrue(account().memory() > watching + 1000);
        guest.ask(TRANSACTION_END, tx, "F\0");
        assertEquals(watching, account().memory());
        assertEquals(
                (double) watching,
                rig.registry.get("xen.xenstore.domain.memory").tag("domain", "3").gauge().value());
    }

    @Test
    void guestOverItsMemoryQuotaGetsEnomemAndMayStillReadAndRemove() {
        rig.existing.add(new DomId(4));
        guest.ask(WRITE, "data/a\0" + "x".repeat(500));
        int tx = guest.begin();
        limit(Quota.MEMORY, Math.toIntExact(account().memory()) + 10);
        assertEquals("ENOMEM", guest.ask(WRITE, "data/a\0" + "x".repeat(511)));
        assertEquals("ENOMEM", guest.ask(MKDIR, "data/b\0"));
        assertEquals("ENOMEM", guest.ask(WATCH, "data\0t\0"));
        assertEquals("ENOMEM", guest.ask(SET_PERMS, "data/a\0n3\0r0\0r4\0"));
        assertEquals("ENOMEM", guest.ask(WRITE, tx, "data/a\0y"));
        assertEquals("x".repeat(500), guest.ask(READ, tx, "data/a\0"));
        assertEquals("ENOMEM", guest.ask(READ, tx, "data/a\0"));
        assertEquals("ENOMEM", guest.ask(TRANSACTION_START, "\0"));
        assertEquals(OK, guest.ask(TRANSACTION_END, tx, "F\0"));
        assertEquals("x".repeat(500), guest.ask(READ, "data/a\0"));
        assertTrue(denied(Quota.MEMORY) >= 5);
        assertEquals(OK, guest.ask(RM, "data/a\0"));
        assertEquals(OK, guest.ask(WATCH, "data\0t\0"));
        assertEquals(OK, dom0.ask(WRITE, "/local/domain/3/data/x\0" + "x".repeat(3000)));
    }

    @Test
    void softMemoryIsOnlyCounted() {
        limit(Quota.SOFT_MEMORY, 1);
        assertEquals(OK, guest.ask(WRITE, "data/a\0x"));
        assertTrue(denied(Quota.SOFT_MEMORY) > 0);
        assertEquals(0.0, denied(Quota.MEMORY));
    }

    @Test
    void requestsBeyondTheOutstandingOnesWaitUntilTheGuestReads() {
        limit(Quota.OUTSTANDING, 2);
        dom0.ask(WRITE, "/local/domain/3/data/v\0" + "x".repeat(1000));
        dom0.ask(SET_PERMS, "/local/domain/3/data/v\0n3\0");
        ByteArrayOutputStream requests = new ByteArrayOutputStream();
        for (int i = 0; i < 10; i++) {
            requests.writeBytes(RingEnd.message(READ, i, 0, "data/v\0"));
        }
        ring.send(requests.toByteArray(), 1024);
        assertEquals(2, account().used(Quota.OUTSTANDING));
        assertTrue(ring.get(RingEnd.REQ_PROD) > ring.get(RingEnd.REQ_CONS));
        List<Rig.Reply> replies = ring.receive();
        assertEquals(
                List.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
                replies.stream().map(Rig.Reply::requestId).toList());
        assertEquals(0, account().used(Quota.OUTSTANDING));
        assertEquals(2, account().most(Quota.OUTSTANDING));
    }

    @Test
    void guestThatReadsIsNotStoppedByTheOutstandingOnes() {
        limit(Quota.OUTSTANDING, 2);
        ByteArrayOutputStream requests = new ByteArrayOutputStream();
        for (int i = 0; i < 20; i++) {
            requests.writeBytes(RingEnd.message(MessageType.GET_DOMAIN_PATH, i, 0, "3\0"));
        }
        ring.send(requests.toByteArray(), 1024);
        assertEquals(ring.get(RingEnd.REQ_PROD), ring.get(RingEnd.REQ_CONS));
        assertEquals(20, ring.receive().size());
    }

    @Test
    void privilegedClientsHaveNoLimits() {
        for (Quota quota : Quota.all()) {
            assertEquals(OK, dom0.ask(SET_QUOTA, "0\0" + quota.text() + "\0" + "1\0"));
        }
        for (int i = 0; i < 20; i++) {
            assertEquals(OK, dom0.ask(WRITE, "/a/b/c/d/" + i + "\0" + "x".repeat(3000)));
            assertEquals(OK, dom0.ask(WATCH, "/a\0" + i + "\0"));
            dom0.begin();
        }
    }

    @Test
    void quotasOfTheServerApplyToItsDomains() {
        try (Rig small = new Rig(Quotas.DEFAULT.with(Quota.WATCHES, 2))) {
            RingEnd end = new RingEnd(small.guest(3));
            assertEquals(OK, end.ask(WATCH, 0, "a\0t\0"));
            assertEquals(OK, end.ask(WATCH, 0, "b\0t\0"));
            assertEquals("E2BIG\0", end.ask(WATCH, 0, "c\0t\0"));
        }
    }
}
