package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.xenstore.store.CommitTurns;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Clients whose transactions conflict with many others commit in the end.
class ContendedCommitsTest {
    private static final int CLIENTS = 16;
    private static final int ADDITIONS = 15;
    private static final String OK = "OK\0";

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
}
