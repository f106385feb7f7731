package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.DIRECTORY_PART;
import static io.xenemu.xenstore.wire.MessageType.GET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.GET_QUOTA;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.SET_QUOTA;
import static io.xenemu.xenstore.wire.MessageType.SET_TARGET;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_END;
import static io.xenemu.xenstore.wire.MessageType.TRANSACTION_START;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.ring.Ring;
import io.xenemu.xenstore.ring.RingConnection;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.wire.Features;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SavedStateTest {
    private static final DomId DOM3 = new DomId(3);
    private static final int SERVER_FEATURES = 0x810;

    private final Rig source = new Rig();
    private final Rig target = new Rig();
    private final Rig.Client dom0 = source.client(0);
    private final RingEnd guest = new RingEnd(source.guest(3));

    @AfterEach
    void close() {
        source.close();
        target.close();
    }

    private static byte[] encode(XenStoreState state) {
        return XenStoreCodec.encode(state).toBytes();
    }

    private static XenStoreState decode(byte[] body) throws WireException {
        return decode(XenStoreCodec.VERSION, body);
    }

    private static XenStoreState decode(int version, byte[] body) throws WireException {
        BodyReader reader = new BodyReader(body);
        XenStoreState state = XenStoreCodec.decode(version, reader);
        reader.end();
        return state;
    }

    /// Moves the store and the guest's page over; the guest goes on at the other end.
    private RingEnd move(XenStoreState state) throws WireException, XenError {
        target.existing.addAll(source.existing);
        XenStoreState received = decode(encode(state));
        RingConnection connection =
                Objects.requireNonNull(
                        target.server
                                .restore(received, domain -> new Ring(guest.page(), () -> {}))
                                .get(DOM3));
        return new RingEnd(guest.page(), connection);
    }

    private void fill() {
        dom0.ask(WRITE, "/local/domain/3/vm\0/vm/u");
        dom0.ask(WRITE, "/vm/u/name\0guest");
        dom0.ask(WRITE, "/local/domain/0/backend/vbd/3/0/state\0" + "1");
        dom0.ask(MKDIR, "/other\0");
        dom0.ask(SET_PERMS, "/other\0b0\0");
        dom0.ask(MKDIR, "/local/domain/3/data\0");
        dom0.ask(SET_PERMS, "/local/domain/3\0n0\0r3\0");
        dom0.ask(SET_PERMS, "/local/domain/3/data\0n3\0");
        dom0.ask(SET_PERMS, "@releaseDomain\0r0\0");
    }

    @Test
    void savedAndRestoredStoreSavesTheSame() throws Exception {
        fill();
        source.guest(4);
        dom0.ask(SET_TARGET, "4\0" + "3\0");
        source.server.shutdown(new DomId(4));
        guest.ask(WATCH, 0, "data\0token\0");
        guest.ask(WATCH, 0, "/other\0other\0");
        int tx = Integer.parseInt(guest.ask(TRANSACTION_START, 0, "\0").replace("\0", ""));
        guest.ask(WRITE, tx, "data/x\0one");
        guest.ask(READ, tx, "data\0");
        guest.send(RingEnd.message(READ, 1, 0, "data/half"), 20);
        XenStoreState state = source.server.save();
        target.existing.addAll(source.existing);
        target.server.restore(state, domain -> new Ring(guest.page(), () -> {}));
        assertArrayEquals(encode(state), encode(target.server.save()));
        assertArrayEquals(encode(state), encode(decode(encode(state))));
        assertEquals("OK\0", target.client(0).ask(CONTROL, "check\0"));
    }

    @Test
    void restoredDomainKeepsItsNodesIfPermissionsNamedItsIdBefore() throws Exception {
        fill();
        dom0.ask(WRITE, "/local/domain/3/data\0value");
        Rig.Client there = target.client(0);
        there.ask(MKDIR, "/secret\0");
        assertEquals("OK\0", there.ask(SET_PERMS, "/secret\0n0\0r3\0"));
        RingEnd moved = move(source.server.save(DOM3));
        assertEquals("value", moved.ask(READ, 0, "data\0"));
        assertEquals("EACCES\0", moved.ask(READ, 0, "/secret\0"));
    }

    @Test
    void permissionsForUnknownDomainsAreNotForLaterDomainsOfThatId() throws Exception {
        dom0.ask(MKDIR, "/secret\0");
        dom0.ask(SET_PERMS, "/secret\0n0\0r7\0");
        dom0.ask(SET_PERMS, "@introduceDomain\0n0\0r7\0");
        target.server.restore(source.server.save(), domain -> new Ring(guest.page(), () -> {}));
        RingEnd later = new RingEnd(target.guest(7));
        assertEquals("EACCES\0", later.ask(READ, 0, "/secret\0"));
        assertEquals("n0\0", target.client(0).ask(GET_PERMS, "@introduceDomain\0"));
    }

    @Test
    void domainInPermissionsOfAnotherRestoredDomainKeepsItsNodes() throws Exception {
        fill();
        RingEnd named = new RingEnd(source.guest(4));
        dom0.ask(MKDIR, "/local/domain/4\0");
        dom0.ask(SET_PERMS, "/local/domain/4\0n4\0r3\0");
        dom0.ask(WRITE, "/local/domain/4/name\0four");
        dom0.ask(SET_PERMS, "/other\0b0\0r4\0");
        dom0.ask(SET_PERMS, "@introduceDomain\0n0\0r4\0");
        int tx = Integer.parseInt(begin());
        assertEquals("OK\0", guest.ask(SET_PERMS, tx, "data\0n3\0r4\0"));
        XenStoreState state = decode(encode(source.server.save()));
        var rings =
                target.server.restore(
                        state,
                        domain ->
                                new Ring(
                                        domain.domain().equals(DOM3) ? guest.page() : named.page(),
                                        () -> {}));
        target.existing.addAll(source.existing);
        Rig.Client there = target.client(0);
        there.ask(SET_PERMS, "/local/domain/4/name\0n4\0");
        assertEquals("n4\0r3\0", there.ask(GET_PERMS, "/local/domain/4\0"));
        assertEquals("n0\0r4\0", there.ask(GET_PERMS, "@introduceDomain\0"));
        assertEquals("b0\0r4\0", there.ask(GET_PERMS, "/other\0"));
        RingEnd three = new RingEnd(guest.page(), Objects.requireNonNull(rings.get(DOM3)));
        RingEnd four = new RingEnd(named.page(), Objects.requireNonNull(rings.get(new DomId(4))));
        assertEquals("four", four.ask(READ, 0, "name\0"));
        assertEquals("OK\0", three.ask(TRANSACTION_END, tx, "T\0"));
        assertEquals("n3\0r4\0", there.ask(GET_PERMS, "/local/domain/3/data\0"));
    }

    @Test
    void featuresDoNotComeFromTheGuestsPage() {
        guest.set(SERVER_FEATURES, -1);
        assertEquals(Features.ALL, source.server.save().domains().getFirst().features());
    }

    @Test
    void restoredDomainHasItsOwnQuotasAndOtherwiseThoseOfTheTarget() throws Exception {
        dom0.ask(SET_QUOTA, "3\0nodes\0" + "5\0");
        target.client(0).ask(SET_QUOTA, "watches\0" + "7\0");
        move(source.server.save(DOM3));
        Rig.Client there = target.client(0);
        assertEquals("5\0", there.ask(GET_QUOTA, "3\0nodes\0"));
        assertEquals("7\0", there.ask(GET_QUOTA, "3\0watches\0"));
        assertEquals("7\0", there.ask(GET_QUOTA, "watches\0"));
    }

    @Test
    void domainThatActsForAnAbsentOneIsRefused() {
        source.guest(4);
        dom0.ask(SET_TARGET, "3\0" + "4\0");
        XenStoreState state = source.server.save(DOM3);
        assertEquals(XenError.EINVAL, assertThrows(XenError.class, () -> move(state)));
        assertEquals("ENOENT", target.client(0).ask(READ, "/local/domain/3\0"));
    }

    @Test
    void restoreThatGetsNoPageChangesNothing() {
        fill();
        XenStoreState state = source.server.save();
        assertThrows(
                IllegalStateException.class,
                () ->
                        target.server.restore(
                                state,
                                domain -> {
                                    throw new IllegalStateException("no page");
                                }));
        assertEquals("ENOENT", target.client(0).ask(READ, "/local/domain/3\0"));
    }

    @Test
    void requestThatTheMoveInterruptedIsAnsweredAfterIt() throws Exception {
        fill();
        dom0.ask(WRITE, "/local/domain/3/data\0value");
        byte[] request = RingEnd.message(READ, 9, 0, "data\0");
        guest.send(request, 18);
        RingEnd moved = move(source.server.save());
        moved.send(Arrays.copyOfRange(request, 18, request.length), 100);
        assertEquals(List.of(new Rig.Reply(READ.code(), 9, 0, "value")), moved.receive());
    }

    @Test
    void watchesFireAfterTheMoveAndQueuedOutputIsNotLost() throws Exception {
        fill();
        guest.ask(WATCH, 0, "data\0token\0");
        guest.receive();
        for (int i = 0; i < 100; i++) {
            dom0.ask(WRITE, "/local/domain/3/data/" + i + "\0");
        }
        RingEnd moved = move(source.server.save());
        target.client(0).ask(WRITE, "/local/domain/3/data/after\0");
        List<Rig.Reply> events = moved.receive();
        assertEquals(101, events.size());
        assertEquals("data/0\0token\0", events.getFirst().text());
        assertEquals("data/after\0token\0", events.getLast().text());
    }

    @Test
    void openTransactionGoesOnAfterTheMove() throws Exception {
        fill();
        dom0.ask(WRITE, "/local/domain/3/data/read\0r");
        String good = begin();
        String conflicting = begin();
        guest.ask(READ, Integer.parseInt(good), "data/read\0");
        guest.ask(WRITE, Integer.parseInt(good), "data/x\0one");
        guest.ask(READ, Integer.parseInt(conflicting), "data\0");
        guest.ask(WRITE, Integer.parseInt(conflicting), "data/y\0two");
        dom0.ask(WRITE, "/local/domain/3/data\0changed");
        RingEnd moved = move(source.server.save(DOM3));
        assertEquals("one", moved.ask(READ, Integer.parseInt(good), "data/x\0"));
        assertEquals("OK\0", moved.ask(TRANSACTION_END, Integer.parseInt(good), "T\0"));
        assertEquals("one", moved.ask(READ, 0, "data/x\0"));
        assertEquals("EAGAIN\0", moved.ask(TRANSACTION_END, Integer.parseInt(conflicting), "T\0"));
    }

    @Test
    void conflictAfterTheMoveIsStillSeen() throws Exception {
        fill();
        int tx = Integer.parseInt(begin());
        guest.ask(READ, tx, "data\0");
        guest.ask(WRITE, tx, "data/x\0one");
        RingEnd moved = move(source.server.save(DOM3));
        target.client(0).ask(WRITE, "/local/domain/3/data\0changed");
        assertEquals("EAGAIN\0", moved.ask(TRANSACTION_END, tx, "T\0"));
    }

    private String begin() {
        return guest.ask(TRANSACTION_START, 0, "\0").replace("\0", "");
    }

    @Test
    void oneDomainIsSavedWithItsOwnNodes() throws Exception {
        fill();
        Rig.Client there = target.client(0);
        there.ask(WRITE, "/kept\0there");
        there.ask(WATCH, "@introduceDomain\0t\0");
        there.drain();
        dom0.ask(WRITE, "/local/domain/33/name\0neighbour");
        String generation = dom0.ask(DIRECTORY_PART, "/local/domain/3\0" + "0\0");
        move(source.server.save(DOM3));
        assertEquals(List.of("@introduceDomain t"), there.events());
        assertEquals("guest", there.ask(READ, "/vm/u/name\0"));
        assertEquals("1", there.ask(READ, "/local/domain/0/backend/vbd/3/0/state\0"));
        assertEquals("ENOENT", there.ask(READ, "/other\0"));
        assertEquals("ENOENT", there.ask(READ, "/local/domain/33/name\0"));
        assertEquals("there", there.ask(READ, "/kept\0"));
        assertEquals("n0\0" + "r32757\0", there.ask(MessageType.GET_PERMS, "@releaseDomain\0"));
        assertEquals(generation, there.ask(DIRECTORY_PART, "/local/domain/3\0" + "0\0"));
        assertEquals("OK\0", there.ask(CONTROL, "check\0"));
        assertEquals(
                XenError.EEXIST,
                assertThrows(
                        XenError.class,
                        () ->
                                target.server.restore(
                                        source.server.save(DOM3),
                                        d -> {
                                            throw new AssertionError("not asked for");
                                        })));
    }

    @Test
    void failedRingStaysFailed() throws Exception {
        guest.page().set(ValueLayout.JAVA_INT, 0x804, 5000);
        guest.service();
        XenStoreState state = source.server.save();
        assertTrue(state.domains().getFirst().failed());
        move(state);
        assertTrue(target.server.save().domains().getFirst().failed());
    }

    @Test
    void goldenFileOfVersion1IsRead() throws Exception {
        XenStoreState state = decode(1, golden(1));
        XenStoreState.DomainState upgraded = state.domains().getFirst();
        assertEquals(XenStoreState.DomainState.FEATURES_UNKNOWN, upgraded.features());
        assertEquals(-1, upgraded.connection().watches().getFirst().depth());
        assertEquals("@releaseDomain", state.special().get(1).path().toString());
        assertArrayEquals(encode(state), encode(decode(encode(state))));
        assertEquals("guest", new String(state.nodes().get(2).value(), StandardCharsets.US_ASCII));
        assertEquals("n3 r4", state.nodes().get(2).permissions().toString());
        XenStoreState.DomainState domain = state.domains().getFirst();
        assertEquals(DOM3, domain.domain());
        assertEquals(3, domain.connection().input().length);
        assertFalse(domain.connection().watches().getFirst().relative());
        assertEquals(4, domain.connection().transactions().getFirst().changes().size());
        target.existing.addAll(List.of(DOM3, new DomId(4)));
        source.server.release(DOM3);
        RingEnd moved = move(state);
        moved.service();
        assertEquals("out", new String(moved.consume(1024), StandardCharsets.US_ASCII));
        byte[] request = RingEnd.message(READ, 5, 7, "/name\0");
        moved.send(Arrays.copyOfRange(request, 3, request.length), 100);
        assertEquals(List.of(new Rig.Reply(READ.code(), 5, 7, "guest")), moved.receive());
        assertEquals("OK\0", moved.ask(TRANSACTION_END, 7, "T\0"));
    }

    @Test
    void goldenFileOfVersion2IsRead() throws Exception {
        XenStoreState state = decode(golden(2));
        assertArrayEquals(golden(2), encode(state));
        assertEquals(new XenStoreState.Descriptors(5, 6), state.descriptors());
        assertEquals(
                List.of(
                        new XenStoreState.QuotaState("nodes", 1000, false),
                        new XenStoreState.QuotaState("memory", -1, true)),
                state.quotas());
        XenStoreState.DomainState domain = state.domains().getFirst();
        assertEquals(new DomId(4), domain.target());
        assertTrue(domain.shutdown());
        assertEquals(0x1_0000_0001L, domain.gfn());
        assertEquals(7, domain.port());
        assertEquals(3, domain.features());
        assertEquals(1, domain.quotas().size());
        assertEquals(2, domain.connection().watches().get(1).depth());
        assertTrue(domain.connection().transactions().getFirst().doomed());
        assertEquals(9, state.sockets().getFirst().descriptor());
        assertEquals(20, state.sockets().getFirst().connection().input().length);
    }

    private static byte[] golden(int version) throws IOException {
        return GoldenFile.bytes(SavedStateTest.class, "xenstore-state-v" + version + ".hex");
    }

    @Test
    void damagedStateIsRefusedOrRead() throws Exception {
        byte[] golden = golden(2);
        int refused = 0;
        for (int i = 0; i < golden.length; i++) {
            for (byte change : new byte[] {1, (byte) 0x80, (byte) 0xff}) {
                byte[] damaged = golden.clone();
                damaged[i] ^= change;
                try {
                    XenStoreState state = decode(damaged);
                    state.domains()
                            .forEach(d ->
                                    assertTrue(
                                            d.connection().input().length
                                                    < MessageHeader.SIZE + 4096));
                } catch (WireException e) {
                    refused++;
                }
            }
        }
        assertTrue(refused > golden.length / 2, "refused: " + refused);
        assertThrows(WireException.class, () -> XenStoreCodec.decode(3, new BodyReader(golden)));
    }
}
