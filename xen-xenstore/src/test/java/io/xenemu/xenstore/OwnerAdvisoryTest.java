package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.DIRECTORY;
import static io.xenemu.xenstore.wire.MessageType.GET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Flaws of xenstored and oxenstored in permissions and owners, by Xen's security advisories, must not be possible
/// here. One method each, named after it.
///
/// Not here: XSA-349 and XSA-350 (back ends of Linux), XSA-354 (XAPI), XSA-368 (libxl's soft reset; introducing a
/// domain again is in [RingTest]).
final class OwnerAdvisoryTest extends AdvisoryRig {
    /// Guest 3 dies, and a new one gets its id.
    private RingEnd reborn() {
        rig.server.release(DOM3);
        return new RingEnd(new Rig.Guest(rig, 3));
    }

    /// Watch events told guests of nodes that they may not read.
    @Test
    void xsa115_watchesDoNotTellOfUnreadableNodes() {
        Rig.Client guest = rig.client(3);
        guest.ask(WATCH, "/\0t\0");
        guest.ask(WATCH, "/secret/x\0t\0");
        guest.ask(WATCH, "@introduceDomain\0t\0");
        guest.drain();
        dom0.ask(WRITE, "/secret/x\0changed");
        dom0.ask(WRITE, "/secret/new\0x");
        dom0.ask(RM, "/secret\0");
        rig.guest(9);
        assertEquals(List.of(), guest.events());
    }

    /// A new domain inherited what an earlier one of its id had been given.
    @Test
    void xsa322_newDomainOfTheSameIdInheritsNothing() {
        dom0.ask(SET_PERMS, "/secret\0n0\0r3\0r4\0");
        dom0.ask(MKDIR, "/mine\0");
        dom0.ask(SET_PERMS, "/mine\0n3\0");
        dom0.ask(SET_PERMS, "@introduceDomain\0n0\0r3\0");
        RingEnd next = reborn();
        assertEquals("EACCES\0", next.ask(DIRECTORY, 0, "/secret\0"));
        assertEquals("EACCES\0", next.ask(READ, 0, "/mine\0"));
        assertEquals("EACCES\0", next.ask(GET_PERMS, 0, "@introduceDomain\0"));
        assertEquals("n0\0r4\0", dom0.ask(GET_PERMS, "/secret\0"));
    }

    @Test
    void xsa322_permissionForAnUnknownDomainIsNotForALaterOneOfThatId() {
        assertEquals(OK, dom0.ask(SET_PERMS, "/secret\0n0\0r7\0r4\0"));
        int before = dom0.begin();
        assertEquals(OK, dom0.ask(SET_PERMS, before, "/secret\0n0\0r7\0"));
        assertEquals("n0\0r7\0r4\0", dom0.ask(GET_PERMS, "/secret\0"));
        rig.guest(7);
        assertEquals("EACCES\0", ring(7).ask(DIRECTORY, 0, "/secret\0"));
        assertEquals("n0\0r4\0", dom0.ask(GET_PERMS, "/secret\0"));
        assertEquals("EAGAIN", dom0.ask(TRANSACTION_END, before, "T\0"));
    }

    @Test
    void xsa322_permissionForADomainIsItsOwnOnceItExists() {
        assertEquals(OK, dom0.ask(SET_PERMS, "/secret\0n0\0r7\0"));
        rig.existing.add(new DomId(7));
        dom0.ask(MKDIR, "/mine\0");
        assertEquals(OK, dom0.ask(SET_PERMS, "/mine\0n7\0"));
        assertEquals("n0\0", dom0.ask(GET_PERMS, "/secret\0"));
        rig.guest(7);
        assertEquals("n7\0", dom0.ask(GET_PERMS, "/mine\0"));
    }

    @Test
    void xsa322_transactionBegunBeforeDoesNotGiveNodesToTheDead() {
        int owner = dom0.begin();
        dom0.ask(MKDIR, owner, "/mine\0");
        dom0.ask(SET_PERMS, owner, "/mine\0n3\0");
        int entry = dom0.begin();
        dom0.ask(SET_PERMS, entry, "/secret\0n0\0r3\0");
        RingEnd next = reborn();
        assertEquals("EAGAIN", dom0.ask(TRANSACTION_END, owner, "T\0"));
        assertEquals("EAGAIN", dom0.ask(TRANSACTION_END, entry, "T\0"));
        assertEquals("EACCES\0", next.ask(DIRECTORY, 0, "/secret\0"));
    }

    @Test
    void xsa322_rootOfADeadDomainGoesToDomain0() {
        dom0.ask(SET_PERMS, "/\0n3\0");
        RingEnd next = reborn();
        assertEquals("n0\0", dom0.ask(GET_PERMS, "/\0"));
        assertEquals("EACCES\0", next.ask(WRITE, 0, "/mine\0x"));
    }

    @Test
    void xsa322_nodesOfADomainThatWasNeverIntroducedAreRemovedToo() {
        rig.existing.add(new DomId(8));
        dom0.ask(MKDIR, "/mine\0");
        dom0.ask(SET_PERMS, "/mine\0n8\0");
        dom0.ask(WATCH, "@releaseDomain\0t\0");
        rig.server.release(new DomId(8));
        assertEquals("ENOENT", dom0.ask(READ, "/mine\0"));
        assertEquals(List.of(), dom0.events());
    }

    /// The length of a path was checked before it was made absolute.
    @Test
    void xsa323_relativePathIsCheckedAsAWhole() {
        Rig.Client guest = rig.client(3);
        assertEquals("ENOENT", guest.ask(READ, "a".repeat(2048) + "\0"));
        assertEquals("EINVAL", guest.ask(READ, "a".repeat(2049) + "\0"));
        assertEquals(OK, guest.ask(WATCH, "a".repeat(2048) + "\0t\0"));
        assertEquals("EINVAL", guest.ask(WATCH, "a".repeat(2049) + "\0t\0"));
    }

    /// oxenstored let a guest give its nodes away.
    @Test
    void xsa352_guestsCannotChangeOwners() {
        Rig.Client guest = rig.client(3);
        assertEquals("EPERM", guest.ask(SET_PERMS, "data\0n4\0"));
        assertEquals("EPERM", guest.ask(SET_PERMS, "data\0n0\0b3\0"));
        assertEquals("EACCES", guest.ask(SET_PERMS, "/local/domain/4/data\0n3\0"));
    }

    /// oxenstored did not check permissions on the root.
    @Test
    void xsa353_rootHasPermissionsToo() {
        Rig.Client guest = rig.client(3);
        assertEquals("EACCES", guest.ask(DIRECTORY, "/\0"));
        assertEquals("EACCES", guest.ask(READ, "/\0"));
        assertEquals("EACCES", guest.ask(GET_PERMS, "/\0"));
        assertEquals("EACCES", guest.ask(WRITE, "/\0x"));
        assertEquals("EACCES", guest.ask(SET_PERMS, "/\0n3\0"));
        assertEquals("EACCES", guest.ask(RM, "/\0"));
        assertEquals("EACCES", guest.ask(MKDIR, "/new\0"));
    }

    /// A node was readable for a new domain if somebody wrote it between the old one's death and the introduction.
    @Test
    void xsa417_nodeWrittenBeforeTheIntroductionKeepsNoStalePermissions() {
        dom0.ask(SET_PERMS, "/secret\0n0\0r3\0b4\0");
        rig.server.release(DOM3);
        assertEquals(OK, rig.client(4).ask(WRITE, "/secret\0changed"));
        assertEquals(OK, rig.client(4).ask(MKDIR, "/secret/below\0"));
        RingEnd next = new RingEnd(new Rig.Guest(rig, 3));
        assertEquals("EACCES\0", next.ask(READ, 0, "/secret\0"));
        assertEquals("EACCES\0", next.ask(READ, 0, "/secret/below\0"));
    }

    /// Removing a deep tree used up the stack. With it gone, and its owner.
    @Test
    void xsa418_deepTreeGoesWithItsOwnerOnASmallStack() throws InterruptedException {
        Rig.Client guest = rig.client(3);
        assertEquals(OK, guest.ask(WRITE, "data" + "/a".repeat(990) + "\0bottom"));
        List<String> answers = new ArrayList<>();
        Thread small =
                new Thread(
                        null,
                        () -> {
                            rig.server.release(DOM3);
                            answers.add(dom0.ask(READ, "/local/domain/3/data\0"));
                        },
                        "small",
                        256 * 1024);
        small.start();
        small.join();
        assertEquals(List.of("ENOENT"), answers);
    }

    /// Two guests together made nodes without end: what the one made below the other's became domain 0's when it died.
    @Test
    void xsa419_nodesThatADeadGuestMadeElsewhereAreRemoved() {
        assertEquals(OK, rig.client(4).ask(SET_PERMS, "data\0n4\0b3\0"));
        int before = rig.server.access().store().nodeCounts().total();
        for (int life = 0; life < 3; life++) {
            RingEnd guest = new RingEnd(new Rig.Guest(rig, 3));
            for (int i = 0; i < 50; i++) {
                assertEquals(OK, guest.ask(WRITE, 0, "/local/domain/4/data/" + i + "\0x"));
            }
            rig.server.release(DOM3);
            dom0.ask(SET_PERMS, "/local/domain/4/data\0n4\0b3\0");
        }
        assertEquals(
                before - 1, rig.server.access().store().nodeCounts().total()); // less data of 3
    }

    /// The path `/local/domain/` ended xenstored.
    @Test
    void xsa481_directoryOfDomainsWithASlashIsAnInvalidPath() {
        Rig.Client guest = rig.client(3);
        for (String path : List.of("/local/domain/", "/local/domain//", "/local/domain/3/")) {
            for (MessageType type : List.of(READ, DIRECTORY, WRITE, MKDIR, RM, GET_PERMS)) {
                assertEquals("EINVAL", guest.ask(type, path + "\0"), type + " " + path);
            }
            assertEquals("EINVAL", guest.ask(WATCH, path + "\0t\0"), path);
        }
        assertEquals("EACCES", guest.ask(READ, "/local/domain\0"));
    }

    /// oxenstored counted the nodes of the dead for the next domain of the id.
    @Test
    void xsa483_newDomainOfTheSameIdMayUseItsWholeQuota() {
        for (int life = 0; life < 3; life++) {
            RingEnd guest = new RingEnd(new Rig.Guest(rig, 3));
            dom0.ask(MKDIR, "/local/domain/3/data\0");
            dom0.ask(SET_PERMS, "/local/domain/3/data\0n3\0");
            for (int i = 0; i < 999; i++) {
                String path = "data/" + i / 100 + (i % 100 == 0 ? "" : "/" + i);
                assertEquals(OK, guest.ask(MKDIR, 0, path + "\0"));
            }
            assertEquals("ENOSPC\0", guest.ask(MKDIR, 0, "data/more\0"));
            for (int i = 0; i < 128; i++) {
                assertEquals(OK, guest.ask(WATCH, 0, "data\0" + i + "\0"));
            }
            rig.server.release(DOM3);
        }
    }
}
