package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.RESET_WATCHES;
import static io.xenemu.xenstore.wire.MessageType.RESUME;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.UNWATCH;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WATCH_EVENT;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.XenStoreClient;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WatchTest {
    private static final String OK = "OK\0";

    private final Rig rig = new Rig();
    private final Rig.Client dom0 = rig.client(0);
    private final Rig.Client watcher = rig.client(0);
    private final Rig.Client guest = rig.client(3);

    @AfterEach
    void close() {
        rig.close();
    }

    private void watch(String path) {
        assertEquals(OK, watcher.ask(WATCH, path + "\0t\0"));
        watcher.drain();
    }

    @Test
    void watchIsAnsweredAndThenFiresOnce() {
        List<Rig.Reply> replies = watcher.sendRaw(WATCH.code(), 0, "/a/missing\0token\0");
        assertEquals(2, replies.size());
        assertEquals(WATCH.code(), replies.get(0).type());
        assertEquals(
                new Rig.Reply(WATCH_EVENT.code(), 0, 0, "/a/missing\0token\0"), replies.get(1));
    }

    @Test
    void sameWatchTwiceIsEexistAndUnwatchOfNoneIsEnoent() {
        watch("/a");
        assertEquals("EEXIST", watcher.ask(WATCH, "/a\0t\0"));
        assertEquals(OK, watcher.ask(WATCH, "/a\0other\0"));
        assertEquals(OK, watcher.ask(UNWATCH, "/a\0t\0"));
        assertEquals("ENOENT", watcher.ask(UNWATCH, "/a\0t\0"));
        assertEquals("EINVAL", watcher.ask(WATCH, "/a\0"));
        assertEquals("EINVAL", watcher.ask(WATCH, "/a/\0t\0"));
    }

    @Test
    void changesAtAndBelowFire() {
        watch("/a");
        dom0.ask(WRITE, "/a\0x");
        dom0.ask(WRITE, "/a/b/c\0x");
        dom0.ask(SET_PERMS, "/a/b\0r0\0");
        dom0.ask(WRITE, "/ab\0x");
        dom0.ask(WRITE, "/\0x");
        assertEquals(List.of("/a t", "/a/b/c t", "/a/b t"), watcher.events());
    }

    @Test
    void writeOfTheSameValueFiresAndMkdirOfExistingDoesNot() {
        dom0.ask(WRITE, "/a\0x");
        watch("/a");
        dom0.ask(WRITE, "/a\0x");
        assertEquals(List.of("/a t"), watcher.events());
        dom0.ask(MKDIR, "/a\0");
        dom0.ask(RM, "/a/missing\0");
        assertEquals(List.of(), watcher.events());
    }

    @Test
    void removalFiresWatchesOnRemovedNodesDeepestFirst() {
        dom0.ask(WRITE, "/a/b/c\0x");
        watch("/a/b/c");
        watch("/a/b");
        watch("/a");
        watch("/a/b/missing");
        dom0.ask(RM, "/a\0");
        assertEquals(List.of("/a/b/c t", "/a/b t", "/a t"), watcher.events());
    }

    @Test
    void ownEventComesBeforeTheReply() {
        watch("/a");
        List<Rig.Reply> replies = watcher.sendRaw(WRITE.code(), 0, "/a\0x");
        assertEquals(
                List.of(WATCH_EVENT.code(), WRITE.code()),
                replies.stream().map(Rig.Reply::type).toList());
    }

    @Test
    void relativeWatchGetsRelativePaths() {
        dom0.ask(MKDIR, "/local/domain/3\0");
        dom0.ask(SET_PERMS, "/local/domain/3\0n3\0");
        assertEquals(OK, guest.ask(WATCH, "data\0rel\0"));
        assertEquals(OK, guest.ask(WATCH, "/local/domain/3/data\0abs\0"));
        guest.drain();
        dom0.ask(WRITE, "/local/domain/3/data/x\0v");
        assertEquals(List.of("data/x rel", "/local/domain/3/data/x abs"), guest.events());
    }

    @Test
    void equalEventsThatAreNotYetSentAreOne() {
        watch("/a");
        dom0.ask(WRITE, "/a/x\0" + "1");
        dom0.ask(WRITE, "/a/y\0" + "1");
        dom0.ask(WRITE, "/a/x\0" + "2");
        assertEquals(List.of("/a/x t", "/a/y t"), watcher.events());
        dom0.ask(WRITE, "/a/x\0" + "3");
        assertEquals(List.of("/a/x t"), watcher.events());
    }

    @Test
    void transactionFiresOnCommitInOrderAndOncePerNode() {
        watch("/a");
        int tx = dom0.begin();
        dom0.ask(WRITE, tx, "/a/z\0" + "1");
        dom0.ask(WRITE, tx, "/a/b\0" + "1");
        dom0.ask(WRITE, tx, "/a/z\0" + "2");
        assertEquals(List.of(), watcher.events());
        assertEquals(OK, dom0.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals(List.of("/a/z t", "/a/b t"), watcher.events());
        int dropped = dom0.begin();
        dom0.ask(WRITE, dropped, "/a/b\0" + "2");
        dom0.ask(TRANSACTION_END, dropped, "F\0");
        assertEquals(List.of(), watcher.events());
    }

    @Test
    void guestSeesOnlyNodesThatItMayRead() {
        dom0.ask(WRITE, "/secret/x\0v");
        guest.ask(WATCH, "/\0t\0");
        guest.drain();
        dom0.ask(WRITE, "/secret/x\0v2");
        assertEquals(List.of(), guest.events());
        dom0.ask(SET_PERMS, "/secret/x\0n0\0r3\0");
        assertEquals(List.of("/secret/x t"), guest.events());
        dom0.ask(SET_PERMS, "/secret/x\0n0\0");
        assertEquals(List.of("/secret/x t"), guest.events());
        dom0.ask(SET_PERMS, "/secret\0r0\0");
        guest.drain();
        dom0.ask(WRITE, "/secret/x\0v3");
        assertEquals(List.of("/secret/x t"), guest.events());
    }

    @Test
    void guestLearnsThatAReadableNodeIsGone() {
        dom0.ask(WRITE, "/secret/x\0v");
        dom0.ask(SET_PERMS, "/secret/x\0n0\0r3\0");
        guest.ask(WATCH, "/secret/x\0t\0");
        guest.drain();
        dom0.ask(RM, "/secret\0");
        assertEquals(List.of("/secret/x t"), guest.events());
    }

    @Test
    void specialWatchesFireForDomainsComingAndGoing() {
        watch("@introduceDomain");
        watch("@releaseDomain");
        watch("/");
        rig.guest(5);
        assertEquals(List.of("@introduceDomain t"), watcher.events());
        rig.server.shutdown(new DomId(5));
        assertEquals(List.of("@releaseDomain t"), watcher.events());
        rig.server.shutdown(new DomId(5));
        assertEquals(List.of(), watcher.events());
        dom0.ask(RESUME, "5\0");
        rig.server.shutdown(new DomId(5));
        assertEquals(List.of("@releaseDomain t"), watcher.events());
        rig.server.release(new DomId(5));
        assertEquals(List.of("@releaseDomain t"), watcher.events());
    }

    @Test
    void specialEventsAreHiddenFromGuestsUntilAllowed() {
        guest.ask(WATCH, "@introduceDomain\0t\0");
        guest.drain();
        rig.guest(5);
        assertEquals(List.of(), guest.events());
        dom0.ask(SET_PERMS, "@introduceDomain\0n0\0r3\0");
        rig.guest(6);
        assertEquals(List.of("@introduceDomain t"), guest.events());
    }

    @Test
    void resetWatchesEndsWatchesAndTransactions() {
        watch("/a");
        int tx = watcher.begin();
        assertEquals(OK, watcher.ask(RESET_WATCHES, "\0"));
        dom0.ask(WRITE, "/a\0x");
        assertEquals(List.of(), watcher.events());
        assertEquals("ENOENT", watcher.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals(0.0, rig.registry.get("xen.xenstore.watches").gauge().value());
        assertEquals(0.0, rig.registry.get("xen.xenstore.transactions").gauge().value());
    }

    @Test
    void clientInThisProcessReadsWritesAndWatches() throws XenError {
        List<String> seen = new ArrayList<>();
        try (XenStoreClient client = rig.server.client()) {
            XenStoreClient.Registration watch = client.watch("/a", seen::add);
            client.write("/a/b", "1");
            assertEquals("1", client.read("/a/b"));
            assertEquals(List.of("b"), client.list("/a"));
            watch.close();
            client.rm("/a");
            assertEquals(List.of("/a", "/a/b"), seen);
            assertEquals(XenError.ENOENT, assertThrows(XenError.class, () -> client.read("/a")));
        }
    }

    @Test
    void listenerThatFallsBehindGetsOneEventOfItsWatchedPath() throws XenError {
        List<String> seen = new ArrayList<>();
        try (XenStoreClient client = rig.server.client()) {
            client.watch(
                    "/a",
                    path -> {
                        seen.add(path);
                        if (seen.size() == 1) {
                            for (int i = 0; i < XenStoreClient.MAX_EVENTS + 10; i++) {
                                dom0.ask(WRITE, "/a/" + i + "\0");
                            }
                        }
                    });
            assertEquals(1 + XenStoreClient.MAX_EVENTS + 1, seen.size());
            assertEquals("/a", seen.getLast());
            client.write("/a/again", "");
            assertEquals("/a/again", seen.getLast());
        }
    }

    @Test
    void listenerMayCallTheStore() throws XenError {
        try (XenStoreClient client = rig.server.client()) {
            List<String> seen = new ArrayList<>();
            client.watch(
                    "/a",
                    path -> {
                        seen.add(path);
                        try {
                            if (!client.exists("/a/answer")) {
                                client.write("/a/answer", "yes");
                            }
                        } catch (XenError e) {
                            throw new AssertionError(e);
                        }
                    });
            assertEquals(List.of("/a", "/a/answer"), seen);
        }
    }
}
