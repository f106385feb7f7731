package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.ERROR;
import static io.xenemu.xenstore.wire.MessageType.GET_DOMAIN_PATH;
import static io.xenemu.xenstore.wire.MessageType.INTRODUCE;
import static io.xenemu.xenstore.wire.MessageType.IS_DOMAIN_INTRODUCED;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.RELEASE;
import static io.xenemu.xenstore.wire.MessageType.RESUME;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.SET_TARGET;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_START;
import static io.xenemu.xenstore.wire.MessageType.UNWATCH;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.wire.MessageType;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Requests on domains and on the store as a whole.
final class DomainRequestsTest extends RequestRig {
    @ParameterizedTest
    @ValueSource(ints = {20, 27, 127, 255})
    void unknownTypeIsEnosys(int type) {
        assertEquals("ENOSYS\0", dom0.sendRaw(type, 0, "/\0").getFirst().text());
    }

    @ParameterizedTest
    @EnumSource(names = {"WATCH_EVENT", "ERROR"})
    void messageTypesOfRepliesAreEnosys(MessageType type) {
        assertEquals("ENOSYS", dom0.ask(type, "/a\0t\0"));
    }

    @Test
    void replyEchoesTypeRequestAndTransaction() {
        int tx = dom0.begin();
        Rig.Reply reply = dom0.sendRaw(READ.code(), tx, "/\0").getFirst();
        assertEquals(new Rig.Reply(READ.code(), reply.requestId(), tx, ""), reply);
        Rig.Reply error = dom0.sendRaw(READ.code(), tx, "/missing\0").getFirst();
        assertEquals(new Rig.Reply(ERROR.code(), reply.requestId() + 1, tx, "ENOENT\0"), error);
    }

    @Test
    void domainPathIsNormalised() {
        assertEquals("/local/domain/7\0", dom0.ask(GET_DOMAIN_PATH, "007\0"));
        assertEquals("EINVAL", dom0.ask(GET_DOMAIN_PATH, "abc\0"));
        assertEquals("EINVAL", dom0.ask(GET_DOMAIN_PATH, "65536\0"));
        assertEquals("EINVAL", dom0.ask(GET_DOMAIN_PATH, "\0"));
    }

    @Test
    void introducedDomainIsKnownUntilReleased() {
        assertEquals("T\0", dom0.ask(IS_DOMAIN_INTRODUCED, "0\0"));
        assertEquals("T\0", dom0.ask(IS_DOMAIN_INTRODUCED, "32752\0"));
        assertEquals("F\0", dom0.ask(IS_DOMAIN_INTRODUCED, "5\0"));
        assertEquals("ENOENT", dom0.ask(INTRODUCE, "5\0" + "100\0" + "1\0"));
        rig.existing.add(new DomId(5));
        assertEquals(OK, dom0.ask(INTRODUCE, "5\0" + "100\0" + "1\0"));
        assertEquals("T\0", dom0.ask(IS_DOMAIN_INTRODUCED, "5\0"));
        assertEquals(OK, dom0.ask(INTRODUCE, "5\0" + "999\0" + "1\0"));
        assertEquals(OK, dom0.ask(RELEASE, "5\0"));
        assertEquals("F\0", dom0.ask(IS_DOMAIN_INTRODUCED, "5\0"));
        assertEquals("ENOENT", dom0.ask(RELEASE, "5\0"));
    }

    @Test
    void ringOfADomainThatAToolIntroducesIsServed() {
        dom0.ask(WRITE, "/a\0" + "1");
        dom0.ask(SET_PERMS, "/a\0r0\0");
        rig.guest(5);
        assertEquals(OK, dom0.ask(RELEASE, "5\0"));
        assertEquals("EINVAL", dom0.ask(INTRODUCE, "5\0" + "100\0" + (Rig.LAST_PORT + 1) + "\0"));
        assertEquals("F\0", dom0.ask(IS_DOMAIN_INTRODUCED, "5\0"));
        assertEquals(OK, dom0.ask(INTRODUCE, "5\0" + "100\0" + "1\0"));
        RingEnd end = Objects.requireNonNull(rig.served.get(new DomId(5)));
        assertEquals("1", end.ask(READ, 0, "/a\0"));

        int tx = Integer.parseInt(end.ask(TRANSACTION_START, 0, "\0").replace("\0", ""));
        assertEquals("EINVAL", dom0.ask(INTRODUCE, "5\0" + "100\0" + (Rig.LAST_PORT + 1) + "\0"));
        assertEquals("1", end.ask(READ, tx, "/a\0")); // served as before
        assertEquals(OK, dom0.ask(INTRODUCE, "5\0" + "999\0" + "2\0"));
        RingEnd again = Objects.requireNonNull(rig.served.get(new DomId(5)));
        assertEquals("ENOENT\0", again.ask(READ, tx, "/a\0"));
        XenStoreState.DomainState saved = rig.server.save().domains().getFirst();
        assertEquals(100, saved.gfn()); // another frame is ignored, another port is not
        assertEquals(2, saved.port());
    }

    @Test
    void domain0IsNeitherIntroducedNorReleased() {
        assertEquals("EINVAL", dom0.ask(INTRODUCE, "0\0" + "100\0" + "1\0"));
        assertEquals("EINVAL", dom0.ask(INTRODUCE, "32752\0" + "100\0" + "1\0"));
        assertEquals("EINVAL", dom0.ask(RELEASE, "0\0"));
        rig.existing.add(new DomId(5));
        assertEquals("EINVAL", dom0.ask(INTRODUCE, "5\0" + "100\0" + "0\0"));
    }

    @Test
    void resumeAndSetTargetNeedIntroducedDomains() {
        assertEquals("ENOENT", dom0.ask(RESUME, "5\0"));
        assertEquals("ENOENT", dom0.ask(SET_TARGET, "5\0" + "6\0"));
        rig.guest(5);
        assertEquals("ENOENT", dom0.ask(SET_TARGET, "5\0" + "6\0"));
        assertEquals("ENOENT", dom0.ask(SET_TARGET, "5\0" + "32752\0"));
        rig.guest(6);
        assertEquals(OK, dom0.ask(SET_TARGET, "5\0" + "6\0"));
        assertEquals(OK, dom0.ask(RESUME, "5\0"));
    }

    @Test
    void requestsThatAreNotOnTheTreeFailInAnUnknownTransaction() {
        for (MessageType type : List.of(GET_DOMAIN_PATH, IS_DOMAIN_INTRODUCED, RESUME, RELEASE)) {
            assertEquals("ENOENT", dom0.ask(type, 77, "0\0"), type.name());
        }
        assertEquals("ENOENT", dom0.ask(CONTROL, 77, "check\0"));
        assertEquals(OK, dom0.ask(WATCH, 77, "/a\0t\0"));
        assertEquals(OK, dom0.ask(UNWATCH, 77, "/a\0t\0"));
        int tx = dom0.begin();
        assertEquals("/local/domain/3\0", dom0.ask(GET_DOMAIN_PATH, tx, "3\0"));
    }

    @Test
    void controlKnowsItsCommands() {
        assertEquals(OK, dom0.ask(CONTROL, "check\0"));
        assertEquals(OK, dom0.ask(CONTROL, "print\0hello\0"));
        assertTrue(dom0.ask(CONTROL, "help\0").startsWith("check"));
        assertEquals("EINVAL", dom0.ask(CONTROL, "print\0"));
        assertEquals("EINVAL", dom0.ask(CONTROL, "nonsense\0"));
        assertEquals("EINVAL", dom0.ask(CONTROL, ""));
    }

    @Test
    void requestsAreCountedByTypeAndResult() {
        dom0.ask(READ, "/\0");
        dom0.ask(READ, "/missing\0");
        dom0.ask(READ, "/missing\0");
        assertEquals(
                1.0,
                rig.registry
                        .get("xen.xenstore.requests")
                        .tags("type", "READ", "result", "ok", "domain", "0")
                        .counter()
                        .count());
        assertEquals(
                2.0,
                rig.registry
                        .get("xen.xenstore.requests")
                        .tags("type", "READ", "result", "ENOENT", "domain", "0")
                        .counter()
                        .count());
        assertEquals(1.0, rig.registry.get("xen.xenstore.nodes").gauge().value());
    }
}
