package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.DIRECTORY;
import static io.xenemu.xenstore.wire.MessageType.GET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_START;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TransactionTest {
    private static final String OK = "OK\0";

    private final Rig rig = new Rig();
    private final Rig.Client a = rig.client(0);
    private final Rig.Client b = rig.client(0);

    @BeforeEach
    void fill() {
        a.ask(WRITE, "/d/x\0" + "1");
        a.ask(WRITE, "/d/y\0" + "1");
    }

    @AfterEach
    void close() {
        assertEquals(OK, a.ask(CONTROL, "check\0"));
        rig.close();
    }

    private String commit(int tx) {
        return a.ask(TRANSACTION_END, tx, "T\0");
    }

    @Test
    void guestThatLooksAtMissingNodesWithoutEndIsStopped() {
        Rig.Client guest = rig.client(3);
        int tx = guest.begin();
        int limit = Quotas.DEFAULT.limit(Quota.TRANSACTION_NODES);
        int asked = 0;
        while (!guest.ask(READ, tx, "/d/none" + asked + "\0").equals("ENOSPC")) {
            asked++;
            assertTrue(asked <= limit, "still answering after " + asked);
        }
        assertTrue(asked > limit / 4, "stopped after " + asked);
        assertEquals("ENOSPC", guest.ask(DIRECTORY, tx, "/d\0"));
        assertEquals(OK, guest.ask(TRANSACTION_END, tx, "F\0"));
    }

    @Test
    void failedBodyOfALocalTransactionLeavesNoneOpen() {
        XenStoreClient client = rig.server.client();
        assertThrows(
                IllegalArgumentException.class,
                () -> client.transaction(view -> view.read("no path")));
        assertThrows(XenError.class, () -> client.transaction(view -> view.read("/none")));
        assertEquals(0, rig.server.access().store().transactionCount());
    }

    @Test
    void changesAreInvisibleUntilCommitted() {
        int tx = a.begin();
        a.ask(WRITE, tx, "/d/x\0" + "2");
        a.ask(RM, tx, "/d/y\0");
        assertEquals("2", a.ask(READ, tx, "/d/x\0"));
        assertEquals("1", a.ask(READ, "/d/x\0"));
        assertEquals("1", b.ask(READ, "/d/y\0"));
        assertEquals(OK, commit(tx));
        assertEquals("2", b.ask(READ, "/d/x\0"));
        assertEquals("ENOENT", b.ask(READ, "/d/y\0"));
    }

    @Test
    void changesOfOthersAreInvisibleInATransaction() {
        int tx = a.begin();
        b.ask(WRITE, "/d/x\0" + "2");
        assertEquals("1", a.ask(READ, tx, "/d/x\0"));
        a.ask(WRITE, tx, "/d/y\0" + "2");
        assertEquals("EAGAIN", commit(tx));
        assertEquals("1", a.ask(READ, "/d/y\0"));
    }

    @Test
    void discardedTransactionLeavesNothing() {
        int tx = a.begin();
        a.ask(WRITE, tx, "/d/x\0" + "2");
        assertEquals(OK, a.ask(TRANSACTION_END, tx, "F\0"));
        assertEquals("1", a.ask(READ, "/d/x\0"));
        assertEquals("ENOENT", commit(tx));
    }

    @Test
    void wrongIdsAndArgumentsAreRefused() {
        assertEquals("ENOENT", a.ask(READ, 77, "/d\0"));
        assertEquals("ENOENT", a.ask(TRANSACTION_END, 0, "T\0"));
        int tx = a.begin();
        assertEquals("EBUSY", a.ask(TRANSACTION_START, tx, "\0"));
        assertEquals("ENOENT", b.ask(READ, tx, "/d\0"));
        assertEquals("EINVAL", a.ask(TRANSACTION_END, tx, "X\0"));
        assertEquals("EINVAL", a.ask(TRANSACTION_END, tx, "T"));
        assertEquals(OK, commit(tx));
    }

    @Test
    void unrelatedChangesAreNoConflict() {
        int tx = a.begin();
        a.ask(READ, tx, "/d/x\0");
        a.ask(WRITE, tx, "/d/new\0");
        b.ask(WRITE, "/d/y\0" + "2");
        b.ask(WRITE, "/d/other\0");
        assertEquals(OK, commit(tx));
        assertEquals("x\0y\0other\0new\0", a.ask(DIRECTORY, "/d\0"));
    }

    @Test
    void listedDirectoryConflictsWithNewNamesOnly() {
        int tx = a.begin();
        a.ask(DIRECTORY, tx, "/d\0");
        a.ask(WRITE, tx, "/d/y\0" + "2");
        b.ask(WRITE, "/d/x\0" + "2");
        assertEquals(OK, commit(tx));
        int second = a.begin();
        a.ask(DIRECTORY, second, "/d\0");
        a.ask(WRITE, second, "/d/y\0" + "2");
        b.ask(MKDIR, "/d/z\0");
        assertEquals("EAGAIN", commit(second));
    }

    @Test
    void valueChangedAndChangedBackIsNoConflict() {
        int tx = a.begin();
        a.ask(READ, tx, "/d/x\0");
        a.ask(WRITE, tx, "/d/y\0" + "2");
        b.ask(WRITE, "/d/x\0" + "2");
        b.ask(WRITE, "/d/x\0" + "1");
        assertEquals(OK, commit(tx));
    }

    @Test
    void readOnlyTransactionNeverFails() {
        int tx = a.begin();
        a.ask(READ, tx, "/d/x\0");
        a.ask(DIRECTORY, tx, "/d\0");
        b.ask(WRITE, "/d/x\0" + "2");
        b.ask(RM, "/d\0");
        assertEquals(OK, commit(tx));
    }

    @Test
    void nodeThatIsOnlyWrittenIsNoConflict() {
        int tx = a.begin();
        a.ask(WRITE, tx, "/d/x\0" + "mine");
        b.ask(WRITE, "/d/x\0" + "theirs");
        assertEquals(OK, commit(tx));
        assertEquals("mine", a.ask(READ, "/d/x\0"));
    }

    @Test
    void absentNodeThatAppearedIsAConflict() {
        int tx = a.begin();
        assertEquals("ENOENT", a.ask(READ, tx, "/d/z\0"));
        a.ask(WRITE, tx, "/d/y\0" + "2");
        b.ask(WRITE, "/d/z\0");
        assertEquals("EAGAIN", commit(tx));
    }

    @Test
    void changedPermissionsConflictWithTransactionsThatDependOnThem() {
        int tx = a.begin();
        a.ask(GET_PERMS, tx, "/d/x\0");
        a.ask(WRITE, tx, "/d/y\0" + "2");
        b.ask(SET_PERMS, "/d/x\0r0\0");
        assertEquals("EAGAIN", commit(tx));
        int second = a.begin();
        a.ask(MKDIR, second, "/d/x/inherits\0");
        b.ask(SET_PERMS, "/d/x\0b0\0");
        assertEquals("EAGAIN", commit(second));
    }

    @Test
    void removalTakesNodesThatWereAddedMeanwhile() {
        int tx = a.begin();
        a.ask(RM, tx, "/d\0");
        b.ask(WRITE, "/d/z\0");
        assertEquals(OK, commit(tx));
        assertEquals("ENOENT", a.ask(READ, "/d/z\0"));
    }

    @Test
    void guestsTransactionIsLimitedInSizeAndByTheNodeQuota() {
        Rig.Client guest = rig.client(3);
        a.ask(MKDIR, "/g\0");
        a.ask(SET_PERMS, "/g\0n3\0");
        int first = guest.begin();
        int second = guest.begin();
        for (int i = 0; i < 99; i++) {
            for (int j = 0; j < 6; j++) {
                assertEquals(OK, guest.ask(WRITE, first, "/g/a" + i + "/" + j + "\0"));
                assertEquals(OK, guest.ask(WRITE, second, "/g/b" + i + "/" + j + "\0"));
            }
        }
        assertEquals(OK, guest.ask(TRANSACTION_END, first, "T\0"));
        assertEquals("ENOSPC", guest.ask(TRANSACTION_END, second, "T\0"));
        assertEquals("ENOENT", a.ask(READ, "/g/b0\0"));
        int third = guest.begin();
        for (int i = 0; i < 1024; i++) {
            guest.ask(WRITE, third, "/g/a0/0\0" + i);
        }
        assertEquals("ENOSPC", guest.ask(WRITE, third, "/g/a0/0\0"));
    }

    @Test
    void manySmallWritesDoNotStarveALargeTransaction() {
        int tx = a.begin();
        for (int i = 0; i < 5000; i++) {
            assertEquals(OK, a.ask(WRITE, tx, "/large/" + i + "\0x"));
            b.ask(WRITE, "/d/x\0" + i);
        }
        assertEquals(OK, commit(tx));
    }

    @Test
    void removedParentIsAConflictForATransactionThatRemovedNothingBelow() {
        a.ask(MKDIR, "/f/c\0");
        int tx = a.begin();
        assertEquals(OK, a.ask(RM, tx, "/f/c/missing\0")); // since the parent is there
        b.ask(RM, "/f/c\0");
        assertEquals("EAGAIN", commit(tx));
    }

    @Test
    void changedRightsOfTheCallerConflictWithItsWrites() {
        Rig.Client stub = rig.client(5);
        rig.guest(3);
        a.ask(MKDIR, "/g\0");
        a.ask(SET_PERMS, "/g\0n3\0");
        stub.session.target(new DomId(3));
        int tx = stub.begin();
        int reading = stub.begin();
        assertEquals(OK, stub.ask(WRITE, tx, "/g/x\0" + "1"));
        assertEquals("", stub.ask(READ, reading, "/g\0"));
        stub.session.target(new DomId(5));
        assertEquals("EAGAIN", stub.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals(OK, stub.ask(TRANSACTION_END, reading, "T\0"));
        assertEquals("ENOENT", a.ask(READ, "/g/x\0"));
    }

    @Test
    void refusalByAQuotaConflictsWithAChangeThatMakesRoom() {
        Rig.Client guest = rig.client(3);
        a.ask(MKDIR, "/g\0");
        a.ask(SET_PERMS, "/g\0b3\0");
        assertEquals(OK, guest.ask(WRITE, "/g/large\0" + "x".repeat(2000)));
        int tx = guest.begin();
        assertEquals(OK, guest.ask(WRITE, tx, "/g/x\0" + "1"));
        assertEquals("ENOSPC", guest.ask(WRITE, tx, "/g/large/" + "n".repeat(40) + "\0"));
        a.ask(WRITE, "/g/large\0small");
        assertEquals("EAGAIN", guest.ask(TRANSACTION_END, tx, "T\0"));
    }

    @Test
    void permissionsOfSpecialNamesBelongToTheTransaction() {
        int tx = a.begin();
        assertEquals(OK, a.ask(SET_PERMS, tx, "@introduceDomain\0n0\0r3\0"));
        assertEquals("n0\0r3\0", a.ask(GET_PERMS, tx, "@introduceDomain\0"));
        assertEquals("n0\0", b.ask(GET_PERMS, "@introduceDomain\0"));
        assertEquals(OK, a.ask(TRANSACTION_END, tx, "F\0"));
        assertEquals("n0\0", b.ask(GET_PERMS, "@introduceDomain\0"));
        int second = a.begin();
        a.ask(SET_PERMS, second, "@introduceDomain\0n0\0r3\0");
        b.ask(WRITE, "/d/x\0" + "2"); // so that the change is done again
        assertEquals(OK, commit(second));
        assertEquals("n0\0r3\0", b.ask(GET_PERMS, "@introduceDomain\0"));
    }

    @Test
    void permissionsOfASpecialNameThatChangedAreAConflict() {
        int tx = a.begin();
        assertEquals("n0\0", a.ask(GET_PERMS, tx, "@introduceDomain\0"));
        b.ask(SET_PERMS, "@introduceDomain\0n0\0r3\0");
        assertEquals("n0\0", a.ask(GET_PERMS, tx, "@introduceDomain\0")); // a snapshot
        a.ask(WRITE, tx, "/d/y\0" + "2");
        assertEquals("EAGAIN", commit(tx));
    }

    @Test
    void everyRequestExceptOnWatchesFailsInAnUnknownTransaction() {
        for (MessageType type : MessageType.values()) {
            String answer = a.ask(type, 77, "@introduceDomain\0n0\0");
            switch (type) {
                case WATCH, UNWATCH -> assertEquals(OK, answer);
                case WATCH_EVENT, ERROR -> assertEquals("ENOSYS", answer);
                default -> assertEquals("ENOENT", answer, type.name());
            }
        }
        assertEquals("n0\0", a.ask(GET_PERMS, "@introduceDomain\0"));
    }

    @Test
    void clientRetriesConflictsAndGivesUpOnErrors() throws XenError {
        try (XenStoreClient client = rig.server.client()) {
            List<String> seen = new ArrayList<>();
            String result =
                    client.transaction(view -> {
                        seen.add(view.read("/d/x"));
                        if (seen.size() < 3) {
                            b.ask(WRITE, "/d/x\0" + "new" + seen.size());
                        }
                        view.write("/d/y", seen.getLast());
                        return seen.getLast();
                    });
            assertEquals("new2", result);
            assertEquals(List.of("1", "new1", "new2"), seen);
            assertEquals("new2", client.read("/d/y"));
            XenError missing =
                    assertThrows(
                            XenError.class,
                            () ->
                                    client.transaction(view -> {
                                        view.write("/d/y", "lost");
                                        return view.read("/d/missing");
                                    }));
            assertEquals(XenError.ENOENT, missing);
            assertEquals("new2", client.read("/d/y"));
            assertTrue(rig.registry.get("xen.xenstore.transactions").gauge().value() == 0.0);
        }
    }
}
