package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.DIRECTORY;
import static io.xenemu.xenstore.wire.MessageType.GET_DOMAIN_PATH;
import static io.xenemu.xenstore.wire.MessageType.GET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.INTRODUCE;
import static io.xenemu.xenstore.wire.MessageType.IS_DOMAIN_INTRODUCED;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RELEASE;
import static io.xenemu.xenstore.wire.MessageType.RESUME;
import static io.xenemu.xenstore.wire.MessageType.RM;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.SET_TARGET;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_START;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.kvm.abi.DomId;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The rights of guests, and their quotas.
class PermissionTest {
    private static final String OK = "OK\0";

    private final Rig rig = new Rig();
    private final Rig.Client dom0 = rig.client(0);
    private final Rig.Client guest = rig.client(3);
    private final Rig.Client other = rig.client(4);

    @BeforeEach
    void home() {
        dom0.ask(MKDIR, "/local/domain/3\0");
        dom0.ask(SET_PERMS, "/local/domain/3\0n0\0r3\0");
        dom0.ask(MKDIR, "/local/domain/3/data\0");
        dom0.ask(SET_PERMS, "/local/domain/3/data\0n3\0");
        dom0.ask(WRITE, "/secret/x\0hidden");
    }

    @AfterEach
    void close() {
        assertEquals(OK, dom0.ask(CONTROL, "check\0"));
        rig.close();
    }

    @Test
    void guestReadsButDoesNotWriteReadableNodes() {
        assertEquals("data\0", guest.ask(DIRECTORY, "/local/domain/3\0"));
        assertEquals("EACCES", guest.ask(WRITE, "/local/domain/3\0x"));
        assertEquals("EACCES", guest.ask(WRITE, "new\0x"));
        assertEquals("EACCES", guest.ask(RM, "/local/domain/3\0"));
    }

    @Test
    void guestOwnsTheNodesThatItCreates() {
        assertEquals(OK, guest.ask(WRITE, "data/x/y\0value"));
        assertEquals("n3\0", guest.ask(GET_PERMS, "data/x\0"));
        assertEquals("value", guest.ask(READ, "/local/domain/3/data/x/y\0"));
        dom0.ask(MKDIR, "/shared\0");
        dom0.ask(SET_PERMS, "/shared\0b0\0");
        assertEquals(OK, guest.ask(MKDIR, "/shared/mine\0"));
        assertEquals("b3\0", guest.ask(GET_PERMS, "/shared/mine\0"));
    }

    @Test
    void closedNodesAreEacces() {
        assertEquals("EACCES", guest.ask(READ, "/secret/x\0"));
        assertEquals("EACCES", guest.ask(DIRECTORY, "/secret\0"));
        assertEquals("EACCES", guest.ask(GET_PERMS, "/secret\0"));
        assertEquals("EACCES", guest.ask(RM, "/secret/x\0"));
        assertEquals("EACCES", guest.ask(MKDIR, "/secret/x\0"));
    }

    @Test
    void missingNodeBelowAnUnreadableOneIsEacces() {
        assertEquals("EACCES", guest.ask(READ, "/secret/missing/deep\0"));
        assertEquals("EACCES", guest.ask(RM, "/secret/missing\0"));
        assertEquals("ENOENT", guest.ask(READ, "/local/domain/3/missing/deep\0"));
    }

    @Test
    void accessToANodeNeedsNoPermissionOnItsParents() {
        dom0.ask(SET_PERMS, "/secret/x\0n0\0b3\0");
        assertEquals("hidden", guest.ask(READ, "/secret/x\0"));
        assertEquals(OK, guest.ask(RM, "/secret/x\0"));
    }

    @Test
    void onlyTheOwnerSetsPermissionsAndCannotGiveAway() {
        assertEquals("EACCES", guest.ask(SET_PERMS, "/local/domain/3\0n0\0b3\0"));
        dom0.ask(MKDIR, "/open\0");
        dom0.ask(SET_PERMS, "/open\0b0\0");
        assertEquals("EACCES", guest.ask(SET_PERMS, "/open\0b0\0"));
        assertEquals(OK, guest.ask(SET_PERMS, "data\0n3\0r4\0"));
        assertEquals("EPERM", guest.ask(SET_PERMS, "data\0n4\0"));
        assertEquals("", other.ask(READ, "/local/domain/3/data\0"));
        assertEquals("EACCES", other.ask(WRITE, "/local/domain/3/data\0x"));
    }

    @Test
    void targetGivesItsRights() {
        rig.guest(5);
        rig.guest(3);
        assertEquals(new DomId(5), target(5));
        assertEquals(OK, dom0.ask(SET_TARGET, "5\0" + "3\0"));
        assertEquals(new DomId(3), target(5));
        assertEquals(OK, dom0.ask(RELEASE, "3\0"));
        assertEquals(new DomId(5), target(5));
    }

    private DomId target(int domain) {
        return rig.server.save(new DomId(domain)).domains().getFirst().target();
    }

    @Test
    void privilegedRequestsAreEaccesForGuests() {
        assertEquals("EACCES", guest.ask(CONTROL, "check\0"));
        assertEquals("EACCES", guest.ask(INTRODUCE, "4\0" + "1\0" + "1\0"));
        assertEquals("EACCES", guest.ask(RELEASE, "4\0"));
        assertEquals("EACCES", guest.ask(RESUME, "4\0"));
        assertEquals("EACCES", guest.ask(SET_TARGET, "3\0" + "4\0"));
        assertEquals("EACCES", guest.ask(IS_DOMAIN_INTRODUCED, "3\0"));
        assertEquals("/local/domain/4\0", guest.ask(GET_DOMAIN_PATH, "4\0"));
    }

    @Test
    void specialPermissionsAreDomain0s() {
        assertEquals("n0\0" + "r32757\0", dom0.ask(GET_PERMS, "@releaseDomain\0"));
        assertEquals("n0\0", dom0.ask(GET_PERMS, "@introduceDomain\0"));
        assertEquals("EACCES", guest.ask(SET_PERMS, "@releaseDomain\0n3\0"));
        assertEquals("EACCES", guest.ask(GET_PERMS, "@introduceDomain\0"));
        assertEquals(OK, dom0.ask(SET_PERMS, "@introduceDomain\0r0\0"));
        assertEquals("r0\0", guest.ask(GET_PERMS, "@introduceDomain\0"));
        assertEquals(OK, dom0.ask(SET_PERMS, "@introduceDomain\0r3\0"));
        assertEquals(OK, guest.ask(SET_PERMS, "@introduceDomain\0n3\0r5\0"));
        assertEquals("EPERM", guest.ask(SET_PERMS, "@introduceDomain\0n0\0"));
        assertEquals("n3\0r5\0", dom0.ask(GET_PERMS, "@introduceDomain\0"));
    }

    @Test
    void unknownSpecialNameIsEnoentForReadersOfTheRoot() {
        for (String name : List.of("@other\0", "@\0", "@introduceDomain/x\0")) {
            assertEquals("ENOENT", dom0.ask(GET_PERMS, name));
            assertEquals("ENOENT", dom0.ask(SET_PERMS, name + "n0\0"));
            assertEquals("EACCES", guest.ask(GET_PERMS, name));
            assertEquals("EACCES", guest.ask(SET_PERMS, name + "n3\0"));
        }
        assertEquals("ENOENT", guest.ask(GET_PERMS, "@releaseDomain/3\0")); // readable above
        dom0.ask(SET_PERMS, "/\0r0\0");
        assertEquals("ENOENT", guest.ask(GET_PERMS, "@other\0"));
        assertEquals("EACCES", guest.ask(SET_PERMS, "@other\0n3\0"));
    }

    @Test
    void nodeQuotaIsEnospcAndCountsOwnedNodes() {
        int created = 1; // data
        for (int i = 0; i < 90; i++) {
            for (int j = 0; j < 10; j++) {
                assertEquals(OK, guest.ask(MKDIR, "data/" + i + "/" + j + "\0"));
                created += j == 0 ? 2 : 1;
            }
        }
        for (; created < 1000; created++) {
            assertEquals(OK, guest.ask(MKDIR, "data/0/more-" + created + "\0"));
        }
        assertEquals("ENOSPC", guest.ask(MKDIR, "data/one-more\0"));
        assertEquals(OK, guest.ask(WRITE, "data/0/1\0x"));
        assertEquals(OK, guest.ask(RM, "data/0/1\0"));
        assertEquals("ENOSPC", guest.ask(MKDIR, "data/two/levels\0"));
        assertEquals(OK, guest.ask(MKDIR, "data/one-more\0"));
        assertEquals(OK, dom0.ask(MKDIR, "/local/domain/3/data/from-dom0\0"));
    }

    @Test
    void childrensNamesCountForTheNodeSize() {
        String name = "n".repeat(1000);
        assertEquals(OK, guest.ask(MKDIR, "data/" + name + "1\0"));
        assertEquals(OK, guest.ask(MKDIR, "data/" + name + "2\0"));
        assertEquals("ENOSPC", guest.ask(MKDIR, "data/" + name + "3\0"));
    }

    @Test
    void nodeSizeQuotaIsEnospcForGuestsOnly() {
        String fits = "x".repeat(2048 - 24 - 8);
        assertEquals(OK, guest.ask(WRITE, "data/v\0" + fits));
        assertEquals("ENOSPC", guest.ask(WRITE, "data/v\0" + fits + "x"));
        assertEquals(OK, dom0.ask(WRITE, "/local/domain/3/data/v\0" + fits + "x"));
    }

    @Test
    void permissionQuotaIsEnospcForGuestsOnly() {
        assertEquals(OK, guest.ask(SET_PERMS, "data\0n3\0r1\0r2\0r4\0r5\0"));
        assertEquals("ENOSPC", guest.ask(SET_PERMS, "data\0n3\0r1\0r2\0r4\0r5\0r6\0"));
        assertEquals(OK, dom0.ask(SET_PERMS, "/local/domain/3/data\0n3\0r1\0r2\0r4\0r5\0r6\0"));
    }

    @Test
    void watchQuotaIsE2big() {
        for (int i = 0; i < 128; i++) {
            assertEquals(OK, guest.ask(WATCH, "data\0t" + i + "\0"));
        }
        assertEquals("E2BIG", guest.ask(WATCH, "data\0one-more\0"));
        for (int i = 0; i < 200; i++) {
            assertEquals(OK, dom0.ask(WATCH, "/\0t" + i + "\0"));
        }
    }

    @Test
    void transactionQuotaIsEnospc() {
        for (int i = 0; i < 10; i++) {
            guest.begin();
        }
        assertEquals("ENOSPC", guest.ask(TRANSACTION_START, "\0"));
    }

    @Test
    void releasedDomainLeavesNothingBehind_XSA322_XSA419() {
        rig.guest(3);
        guest.ask(WRITE, "data/mine\0x");
        dom0.ask(MKDIR, "/open\0");
        dom0.ask(SET_PERMS, "/open\0b0\0");
        guest.ask(MKDIR, "/open/left\0");
        dom0.ask(SET_PERMS, "/secret\0n0\0r3\0r4\0");
        rig.server.release(new DomId(3));
        assertEquals("ENOENT", dom0.ask(READ, "/open/left\0"));
        assertEquals("ENOENT", dom0.ask(READ, "/local/domain/3/data\0"));
        assertEquals("n0\0r4\0", dom0.ask(GET_PERMS, "/secret\0"));
        assertNull(rig.registry.find("xen.xenstore.domain.nodes").tag("domain", "3").gauge());
    }
}
