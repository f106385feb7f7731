package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.NodeCounts;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Who comes first after many conflicts, and how long others have to wait for that.
class CommitTurnsTest {
    private static final int CLIENTS = 16;
    private static final int ADDITIONS = 15;
    private static final String OK = "OK\0";
    private static final Path NODE = Path.of("/n");

    /// Adds 1 to a node; whether that was committed.
    private static boolean add(Rig.Client client, Runnable betweenRequests) {
        int tx = client.begin();
        betweenRequests.run();
        int before = Integer.parseInt(client.ask(READ, tx, "/n\0"));
        betweenRequests.run();
        assertEquals(OK, client.ask(WRITE, tx, "/n\0" + (before + 1)));
        betweenRequests.run();
        return client.ask(TRANSACTION_END, tx, "T\0").equals(OK);
    }

    @Test
    void clientThatIsSlowerThanAllOthersCommitsInTheEnd() {
        try (Rig rig = new Rig()) {
            List<Rig.Client> fast = new ArrayList<>();
            for (int i = 1; i < CLIENTS; i++) {
                fast.add(rig.client(0));
            }
            Rig.Client slow = rig.client(0);
            slow.ask(WRITE, "/n\0" + "0");
            Runnable others = () -> fast.forEach(client -> add(client, () -> {}));
            int tries = 1;
            while (!add(slow, others)) {
                assertTrue(++tries < 100, "no commit in " + tries + " tries");
            }
            others.run();
            assertTrue(Integer.parseInt(slow.ask(READ, "/n\0")) > tries * fast.size());
        }
    }

    @Test
    @Timeout(60)
    void everyOneOfManyThreadsCommits() throws InterruptedException, ExecutionException {
        try (Rig rig = new Rig();
                ExecutorService threads = Executors.newFixedThreadPool(CLIENTS)) {
            rig.client(0).ask(WRITE, "/n\0" + "0");
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                Rig.Client client = rig.client(0);
                all.add(
                        threads.submit(() -> {
                            for (int done = 0; done < ADDITIONS; ) {
                                done += add(client, Thread::yield) ? 1 : 0;
                            }
                        }));
            }
            for (Future<?> each : all) {
                each.get();
            }
            assertEquals("" + CLIENTS * ADDITIONS, rig.client(0).ask(READ, "/n\0"));
        }
    }

    @Test
    void guestIsNotLockedOutByAnotherThatNeverCommits() {
        try (Rig rig = new Rig()) {
            Rig.Client dom0 = rig.client(0);
            Rig.Client idle = rig.client(3);
            Rig.Client guest = rig.client(4);
            dom0.ask(WRITE, "/n\0" + "0");
            dom0.ask(SET_PERMS, "/n\0b0\0");
            for (int i = 0; i < CommitTurns.FAILURES; i++) {
                String value = "" + i;
                assertFalse(add(idle, () -> dom0.ask(WRITE, "/n\0" + value + value)));
            }
            int kept = idle.begin();
            idle.ask(READ, kept, "/n\0");
            assertTrue(add(dom0, () -> {}), "domain 0 waits for nobody");
            long start = System.nanoTime();
            while (!add(guest, () -> {})) {
                assertTrue(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(20));
            }
        }
    }

    // --- by a clock of their own

    private long now = 1_000;
    private final CommitTurns turns = new CommitTurns(() -> now);
    private final TreeEditor store = version("0");
    private final TreeEditor changed = version("1");

    private static TreeEditor version(String value) {
        Node root = Node.root(Permissions.of("b0"));
        NodeCounts counts = NodeCounts.of(root);
        TreeEditor editor =
                new TreeEditor(root, SpecialPermissions.STANDARD, counts, () -> 7, _ -> {}, null);
        try {
            editor.apply(
                    Caller.DOM0,
                    new Request.Write(NODE, value.getBytes(StandardCharsets.US_ASCII)));
        } catch (XenError e) {
            throw new AssertionError(e);
        }
        return editor;
    }

    private static Session session(int domain) {
        Account account = new Account(new DomId(domain), Quotas.DEFAULT, new NodeCounts(null));
        Outlet none =
                new Outlet() {
                    @Override
                    public void watchEvent(Path path, int skip, byte[] token) {
                        throw new AssertionError(path);
                    }

                    @Override
                    public Runnable flush() {
                        throw new AssertionError();
                    }

                    @Override
                    public void failed(Throwable failure) {
                        throw new AssertionError(failure);
                    }
                };
        return new Session(account, none, new ArrayList<>());
    }

    private void fails(Session session) {
        for (int i = 0; i < CommitTurns.FAILURES; i++) {
            turns.ended(session, new Transaction(1, store, () -> 7, _ -> {}), true);
        }
    }

    /// A transaction that has read the node.
    private Transaction begins(Session session) {
        Transaction transaction = new Transaction(1, store, () -> 7, _ -> {});
        turns.began(session, transaction);
        try {
            transaction.editor(Caller.DOM0, store).read(Caller.DOM0, NODE);
        } catch (XenError e) {
            throw new AssertionError(e);
        }
        return transaction;
    }

    @Test
    void turnEndsByItself() {
        Session first = session(0);
        Session other = session(0);
        assertFalse(turns.has(begins(first)), "without failures");
        fails(first);
        Transaction transaction = begins(first);
        assertTrue(turns.has(transaction));
        assertFalse(turns.allow(other, store, changed));
        assertTrue(turns.allow(other, store, store));
        assertTrue(turns.allow(first, store, changed));
        now += CommitTurns.TURN_NANOS;
        assertTrue(turns.allow(other, store, changed));
        assertFalse(turns.has(transaction));
    }

    @Test
    void whoHasWaitedLongestIsNext() {
        Session first = session(0);
        Session second = session(0);
        Session gone = session(0);
        List.of(gone, first, second).forEach(this::fails);
        Transaction turn = begins(gone);
        begins(first);
        begins(second);
        turns.ended(gone, turn, false);
        assertFalse(turns.has(begins(second)));
        assertTrue(turns.has(begins(first)));
        turns.forget(first);
        assertTrue(turns.has(begins(second)));
    }

    @Test
    void whoDoesNotTryAgainDoesNotKeepOthersFromTheirTurn() {
        Session idle = session(0);
        Session busy = session(0);
        Session holder = session(0);
        List.of(holder, idle).forEach(this::fails);
        Transaction turn = begins(holder);
        begins(idle);
        turns.ended(holder, turn, false);
        now += CommitTurns.TURN_NANOS;
        fails(busy);
        assertTrue(turns.has(begins(busy)));
    }

    @Test
    void guestHoldsUpOtherGuestsForATenthOfTheTimeAtMost() {
        Session guest = session(3);
        Session other = session(4);
        long held = 0;
        long start = now;
        for (int i = 0; i < 1000; i++) {
            fails(guest);
            begins(guest);
            for (int step = 0; step < 4; step++) {
                long before = now;
                now += CommitTurns.TURN_NANOS / 4;
                held += turns.allow(other, store, changed) ? 0 : now - before;
                assertTrue(turns.allow(session(0), store, changed), "domain 0 waits for nobody");
            }
        }
        assertTrue(held > 0);
        assertTrue(
                held * (CommitTurns.GUEST_REST + 1) <= now - start, held + " of " + (now - start));
    }

    @Test
    void allGuestsTogetherHoldUpAnotherForHalfTheTimeAtMost() {
        List<Session> guests = new ArrayList<>();
        for (int id = 1; id <= 50; id++) {
            guests.add(session(id));
        }
        Session other = session(99);
        long held = 0;
        long start = now;
        for (int i = 0; i < 1000; i++) {
            Session guest = guests.get(i % guests.size());
            fails(guest);
            begins(guest);
            for (int step = 0; step < 4; step++) {
                now += CommitTurns.TURN_NANOS / 4;
                held += turns.allow(other, store, changed) ? 0 : CommitTurns.TURN_NANOS / 4;
            }
        }
        assertTrue(held > 0);
        assertTrue(held * 2 <= now - start, held + " of " + (now - start));
    }
}
