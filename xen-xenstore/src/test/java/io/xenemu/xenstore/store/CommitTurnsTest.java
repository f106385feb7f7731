package io.xenemu.xenstore.store;

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
import org.junit.jupiter.api.Test;

/// Turns by a clock of the test's own: which client comes first after many conflicts, and how long the others wait for
/// it.
class CommitTurnsTest {
    private static final Path NODE = Path.of("/n");

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
    void turnEndsAfterItsTime() {
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
    void clientThatHasWaitedLongestHasTheNextTurn() {
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
    void clientThatDoesNotTryAgainDoesNotDelayTheTurnsOfOthers() {
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
    void guestDelaysOtherGuestsForATenthOfTheTimeAtMost() {
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
    void allGuestsTogetherDelayAnotherForHalfTheTimeAtMost() {
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
