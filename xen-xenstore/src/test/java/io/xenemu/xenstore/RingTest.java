package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.ring.Ring;
import io.xenemu.xenstore.ring.RingConnection;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RingTest {
    private static final int REQ_CONS = RingEnd.REQ_CONS;
    private static final int REQ_PROD = RingEnd.REQ_PROD;
    private static final int RSP_CONS = RingEnd.RSP_CONS;
    private static final int RSP_PROD = RingEnd.RSP_PROD;
    private static final int FEATURES = 0x810;
    private static final int CONNECTION = 0x814;
    private static final int ERROR = 0x818;

    private final Rig rig = new Rig();
    private final Rig.Client dom0 = rig.client(0);
    private final Rig.Guest guest = rig.guest(3);
    private final RingEnd end = new RingEnd(guest);

    @AfterEach
    void close() {
        rig.close();
    }

    private int get(int offset) {
        return end.get(offset);
    }

    private void set(int offset, int value) {
        end.set(offset, value);
    }

    private static byte[] message(MessageType type, int id, String payload) {
        return RingEnd.message(type, id, 0, payload);
    }

    private int produce(byte[] bytes, int from, int most) {
        return end.produce(bytes, from, most);
    }

    private byte[] consume(int most) {
        return end.consume(most);
    }

    /// Sends all bytes in pieces and reads all that comes back in pieces.
    private List<Rig.Reply> exchange(byte[] bytes, int pieceOut, int pieceIn) {
        ByteArrayOutputStream received = new ByteArrayOutputStream();
        int sent = 0;
        boolean progress = true;
        while (progress) {
            int now = produce(bytes, sent, pieceOut);
            sent += now;
            guest.connection.service();
            byte[] in = consume(pieceIn);
            received.writeBytes(in);
            progress = now > 0 || in.length > 0;
            guest.connection.service();
        }
        assertEquals(bytes.length, sent);
        byte[] all = received.toByteArray();
        return Rig.parse(all, 0, all.length);
    }

    private List<Rig.Reply> exchange(MessageType type, String payload) {
        return exchange(message(type, 7, payload), 1024, 1024);
    }

    private static byte[] conversation() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(message(MessageType.WRITE, 1, "/g/a\0" + "x".repeat(1990)));
        bytes.writeBytes(message(MessageType.RESET_WATCHES, 2, ""));
        bytes.writeBytes(message(MessageType.READ, 3, "/g/a\0"));
        bytes.writeBytes(message(MessageType.READ, 4, "/g/missing\0"));
        bytes.writeBytes(message(MessageType.DIRECTORY, 5, "/g\0"));
        return bytes.toByteArray();
    }

    private void openHome() {
        dom0.ask(MessageType.MKDIR, "/g\0");
        dom0.ask(MessageType.SET_PERMS, "/g\0n3\0");
    }

    private static List<Rig.Reply> answers() {
        return List.of(
                new Rig.Reply(MessageType.WRITE.code(), 1, 0, "OK\0"),
                new Rig.Reply(MessageType.RESET_WATCHES.code(), 2, 0, "OK\0"),
                new Rig.Reply(MessageType.READ.code(), 3, 0, "x".repeat(1990)),
                new Rig.Reply(MessageType.ERROR.code(), 4, 0, "ENOENT\0"),
                new Rig.Reply(MessageType.DIRECTORY.code(), 5, 0, "a\0"));
    }

    @Test
    void heldRingIsLeftAloneAndCatchesUp() {
        openHome();
        guest.connection.hold();
        byte[] request = message(MessageType.READ, 7, "/g/missing\0");
        produce(request, 0, request.length);
        int notified = guest.bells.get();
        guest.connection.service();
        dom0.ask(MessageType.MKDIR, "/h\0");
        assertEquals(List.of(0, 0), List.of(get(REQ_CONS), get(RSP_PROD)));
        assertEquals(notified, guest.bells.get());

        guest.connection.proceed();

        assertEquals(request.length, get(REQ_CONS));
        byte[] reply = consume(1024);
        assertEquals("ENOENT\0", Rig.parse(reply, 0, reply.length).getFirst().text());
        assertEquals(notified + 1, guest.bells.get());
    }

    @Test
    void introducedRingIsEmptyConnectedAndNotified() {
        assertEquals(
                List.of(0, 0, 0, 0),
                List.of(get(REQ_CONS), get(REQ_PROD), get(RSP_CONS), get(RSP_PROD)));
        assertEquals(15, get(FEATURES));
        assertEquals(0, get(CONNECTION));
        assertEquals(0, get(ERROR));
        assertEquals(1, guest.bells.get());
    }

    @Test
    void messagesAreServedAtEverySplit() {
        openHome();
        byte[] bytes = conversation();
        for (int piece = 1; piece <= 64; piece++) {
            assertEquals(answers(), exchange(bytes, piece, 1024), "pieces of " + piece);
            assertEquals(answers(), exchange(bytes, 1024, piece), "answers in pieces of " + piece);
        }
    }

    @Test
    void firstPieceMayEndAnywhere() {
        openHome();
        byte[] bytes = conversation();
        for (int first = 1; first < 1024; first++) {
            assertEquals(first, produce(bytes, 0, first));
            guest.connection.service();
            byte[] rest = Arrays.copyOfRange(bytes, first, bytes.length);
            assertEquals(answers(), exchange(rest, 1024, 1024), "first piece of " + first);
        }
    }

    @Test
    void indicesWrapAround() {
        for (int offset : new int[] {REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD}) {
            set(offset, -700);
        }
        openHome();
        assertEquals(answers(), exchange(conversation(), 1024, 1024));
        assertTrue(get(REQ_CONS) > 0);
    }

    @Test
    void oneEventIsSentForRequestAndReplyTogether() {
        guest.bells.set(0);
        byte[] bytes = message(MessageType.GET_DOMAIN_PATH, 1, "3\0");
        produce(bytes, 0, bytes.length);
        guest.connection.service();
        assertEquals(1, guest.bells.get());
        consume(1024);
        guest.connection.service();
        guest.connection.service();
        assertEquals(1, guest.bells.get(), "nothing to do, nothing to tell");
    }

    @Test
    void watchEventsReachTheGuestAtOnce() {
        openHome();
        exchange(MessageType.WATCH, "/g\0token\0");
        guest.bells.set(0);
        dom0.ask(MessageType.WRITE, "/g/x\0v");
        assertEquals(1, guest.bells.get());
        byte[] event = consume(1024);
        assertEquals(
                List.of(new Rig.Reply(MessageType.WATCH_EVENT.code(), 0, 0, "/g/x\0token\0")),
                Rig.parse(event, 0, event.length));
    }

    @Test
    void badRequestIndicesStopThisConnectionOnly() {
        exchange(MessageType.WATCH, "/\0t\0");
        guest.bells.set(0);
        set(REQ_PROD, get(REQ_CONS) + 1025);
        guest.connection.service();
        assertEquals(RingEnd.ERROR_RING_INDEX, get(ERROR));
        assertEquals(1, guest.bells.get());
        assertEquals(0.0, rig.registry.get("xen.xenstore.watches").gauge().value());
        assertEquals("OK\0", dom0.ask(MessageType.WRITE, "/x\0v"));
        set(REQ_PROD, get(REQ_CONS));
        guest.connection.service();
        produce(message(MessageType.READ, 1, "/\0"), 0, 1024);
        guest.connection.service();
        assertEquals(0, consume(1024).length);
    }

    @Test
    void badResponseIndicesStopTheConnection() {
        set(RSP_CONS, get(RSP_PROD) + 1);
        produce(message(MessageType.GET_DOMAIN_PATH, 1, "3\0"), 0, 1024);
        guest.connection.service();
        assertEquals(RingEnd.ERROR_RING_INDEX, get(ERROR));
    }

    @Test
    void payloadOverTheLimitStopsTheConnection() {
        byte[] bytes = message(MessageType.READ, 1, "/\0");
        bytes[12] = 1;
        bytes[13] = 16; // 4097
        produce(bytes, 0, bytes.length);
        guest.connection.service();
        assertEquals(RingEnd.ERROR_PROTOCOL, get(ERROR));
    }

    @Test
    void guestReconnectsAfterAnError() {
        exchange(MessageType.WATCH, "/\0t\0");
        set(REQ_PROD, get(REQ_CONS) + 5000);
        guest.connection.service();
        guest.bells.set(0);
        set(CONNECTION, RingEnd.RECONNECT);
        guest.connection.service();
        assertEquals(0, get(CONNECTION));
        assertEquals(0, get(ERROR));
        assertEquals(1, guest.bells.get());
        assertEquals(
                List.of(
                        new Rig.Reply(
                                MessageType.GET_DOMAIN_PATH.code(), 7, 0, "/local/domain/9\0")),
                exchange(MessageType.GET_DOMAIN_PATH, "9\0"));
    }

    @Test
    void halfAMessageIsForgottenOnReintroduction() {
        produce(message(MessageType.READ, 1, "/\0"), 0, 9);
        guest.connection.service();
        MemorySegment sameOrOther = guest.page;
        RingConnection again =
                rig.server.introduce(
                        new DomId(3), new Ring(sameOrOther, guest.bells::incrementAndGet));
        assertEquals(guest.connection, again);
        assertEquals(1, exchange(MessageType.GET_DOMAIN_PATH, "9\0").size());
    }

    @Test
    void guestThatDoesNotReadIsNotServedFurtherAndThenGetsEverything() {
        openHome();
        dom0.ask(MessageType.WRITE, "/g/v\0" + "y".repeat(2000));
        byte[] request = message(MessageType.READ, 1, "/g/v\0");
        int sent = 0;
        for (int i = 0; i < 1000; i++) {
            int now = produce(request, 0, request.length);
            if (now < request.length) {
                set(REQ_PROD, get(REQ_PROD) - now);
                break;
            }
            sent++;
            guest.connection.service();
        }
        assertTrue(sent < 100, "requests taken or in the ring: " + sent);
        List<Rig.Reply> replies = exchange(new byte[0], 0, 1024);
        assertEquals(sent, replies.size());
        assertTrue(replies.stream().allMatch(r -> r.text().length() == 2000));
    }

    @Test
    void releasedRingIsNotTouched() {
        rig.server.release(new DomId(3));
        guest.page.fill((byte) 0);
        guest.bells.set(0);
        produce(message(MessageType.READ, 1, "/\0"), 0, 1024);
        guest.connection.service();
        assertEquals(0, get(REQ_CONS));
        assertEquals(0, get(RSP_PROD));
        assertEquals(0, guest.bells.get());
    }

    @Test
    void manyThreadsMayServeOneRing() throws InterruptedException {
        openHome();
        List<Thread> threads = new ArrayList<>();
        AtomicBoolean stop = new AtomicBoolean();
        for (int i = 0; i < 3; i++) {
            threads.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                while (!stop.get()) {
                                    guest.connection.service();
                                }
                            }));
        }
        try {
            for (int i = 0; i < 20; i++) {
                assertEquals(answers(), exchange(conversation(), 100 + i, 1000));
            }
        } finally {
            stop.set(true);
        }
        for (Thread thread : threads) {
            thread.join();
        }
    }
}
