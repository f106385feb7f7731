package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.UNWATCH;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.DomId;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// WATCH with a depth, and special watches of one domain.
class WatchDepthTest {
    private static final String OK = "OK\0";

    private final Rig rig = new Rig();
    private final Rig.Client dom0 = rig.client(0);
    private final Rig.Client watcher = rig.client(0);
    private final Rig.Client guest = rig.client(3);

    @AfterEach
    void close() {
        rig.close();
    }

    private static void watch(Rig.Client client, String words) {
        assertEquals(OK, client.ask(WATCH, words.replace(' ', '\0') + "\0"));
        client.drain();
    }

    @Test
    void depthLimitsHowFarBelowChangesCount() {
        watch(watcher, "/a zero 0");
        watch(watcher, "/a one 1");
        watch(watcher, "/a two 2");
        watch(watcher, "/a all");
        dom0.ask(WRITE, "/a\0x");
        assertEquals(List.of("/a zero", "/a one", "/a two", "/a all"), watcher.events());
        dom0.ask(WRITE, "/a/b\0x");
        assertEquals(List.of("/a/b one", "/a/b two", "/a/b all"), watcher.events());
        dom0.ask(WRITE, "/a/b/c\0x");
        assertEquals(List.of("/a/b/c two", "/a/b/c all"), watcher.events());
        dom0.ask(WRITE, "/a/b/c/d\0x");
        assertEquals(List.of("/a/b/c/d all"), watcher.events());
    }

    @Test
    void rootAndRelativePathsHaveDepthsToo() {
        dom0.ask(MKDIR, "/local/domain/3\0");
        dom0.ask(SET_PERMS, "/local/domain/3\0n3\0");
        watch(watcher, "/ root 1");
        watch(guest, "data rel 1");
        dom0.ask(WRITE, "/local/domain/3/data/x\0v");
        dom0.ask(WRITE, "/local/domain/3/data/x/y\0v");
        dom0.ask(WRITE, "/top\0v");
        assertEquals(List.of("/top root"), watcher.events());
        assertEquals(List.of("data/x rel"), guest.events());
    }

    @Test
    void removalFromAboveFiresAtAnyDepth() {
        dom0.ask(WRITE, "/a/b/c\0x");
        watch(watcher, "/a/b zero 0");
        watch(watcher, "/ root 0");
        dom0.ask(RM, "/a\0");
        assertEquals(List.of("/a/b zero"), watcher.events());
    }

    @Test
    void depthIsADecimalNumberAndNothingFollows() {
        for (String depth : List.of("-1\0", "x\0", "1x\0", "2147483648\0", "1\0" + "2\0")) {
            assertEquals("EINVAL", watcher.ask(WATCH, "/a\0t\0" + depth), depth);
        }
        assertEquals(OK, watcher.ask(WATCH, "/a\0t\0" + "2147483647\0"));
        assertEquals("EEXIST", watcher.ask(WATCH, "/a\0t\0" + "3\0"));
        assertEquals(OK, watcher.ask(UNWATCH, "/a\0t\0"));
    }

    @Test
    void reservedFieldAfterTheTokenIsIgnored() {
        watch(watcher, "/a t ");
        assertEquals(OK, watcher.ask(WATCH, "/a\0u\0reserved"));
        watcher.drain();
        dom0.ask(WRITE, "/a/b/c\0x");
        assertEquals(List.of("/a/b/c t", "/a/b/c u"), watcher.events());
    }

    @Test
    void specialWatchOfDepth1NamesTheDomain() {
        watch(watcher, "@introduceDomain which 1");
        watch(watcher, "@introduceDomain any");
        watch(watcher, "@releaseDomain which 1");
        watch(watcher, "@releaseDomain any 0");
        rig.guest(5);
        assertEquals(List.of("@introduceDomain any", "@introduceDomain/5 which"), watcher.events());
        rig.server.shutdown(new DomId(5));
        assertEquals(List.of("@releaseDomain any", "@releaseDomain/5 which"), watcher.events());
        rig.server.release(new DomId(5));
        assertEquals(List.of("@releaseDomain any", "@releaseDomain/5 which"), watcher.events());
        assertEquals("EINVAL", watcher.ask(WATCH, "@releaseDomain\0t\0" + "2\0"));
    }

    @Test
    void oneDomainCanBeWatched() {
        watch(watcher, "@releaseDomain/5 five");
        watch(watcher, "@introduceDomain/5 here");
        rig.guest(4);
        rig.guest(5);
        assertEquals(List.of("@introduceDomain/5 here"), watcher.events());
        rig.server.release(new DomId(4));
        assertEquals(List.of(), watcher.events());
        rig.server.release(new DomId(5));
        assertEquals(List.of("@releaseDomain/5 five"), watcher.events());
    }

    @Test
    void guestsGetEventsOfReleasesAndIntroductionsAsPermitted() {
        for (String name : List.of("@releaseDomain", "@introduceDomain")) {
            watch(guest, name + " any");
            watch(guest, name + " which 1");
            watch(guest, name + "/5 five");
        }
        rig.guest(5);
        assertEquals(List.of(), guest.events());
        rig.server.release(new DomId(5));
        assertEquals(
                List.of("@releaseDomain any", "@releaseDomain/5 which", "@releaseDomain/5 five"),
                guest.events());
        dom0.ask(SET_PERMS, "@introduceDomain\0n0\0r3\0");
        dom0.ask(SET_PERMS, "@releaseDomain\0n0\0");
        rig.guest(6);
        rig.server.release(new DomId(6));
        assertEquals(List.of("@introduceDomain any", "@introduceDomain/6 which"), guest.events());
    }
}
