package io.xenemu.core.backend.p9;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Rings and requests in flight. The test is the workers, so that each step is its own.
final class P9RequestsTest {
    private static final int FID = 1;

    @TempDir private Path share;
    private final P9PlainFront front = new P9PlainFront(2);
    private final P9PlainFront other = new P9PlainFront(2);
    private final List<P9Queue> attached = new ArrayList<>();
    private final P9Request first = new P9Request();
    private final P9Request second = new P9Request();

    @SuppressWarnings("NullAway.Init")
    private P9Server server;

    @SuppressWarnings("NullAway.Init")
    private P9Requests requests;

    @BeforeEach
    void connect() throws XenError, IOException {
        Files.write(share.resolve("f"), new byte[8000]);
        server = new P9Server(P9Export.plain(share, false, P9Limits.DEFAULT), P9Observer.NONE);
        server.connect(8192);
        requests = new P9Requests(server, P9Observer.NONE, List.of(first, second));
        attached.add(front.attach());
        attached.add(other.attach());
        attached.forEach(requests::add);
    }

    private P9Queue queue(int number) {
        return attached.get(number);
    }

    @AfterEach
    void end() {
        requests.close();
        requests.close();
        first.close();
        first.close();
        second.close();
        server.close();
        front.close();
        other.close();
    }

    private static byte[] version(int tag) {
        return P9TestClient.bytes(P9Operation.VERSION.number(), tag, 8192, "9P2000.L");
    }

    private static byte[] statfs(int tag) {
        return P9TestClient.bytes(P9Operation.STATFS.number(), tag, FID);
    }

    private static byte[] flush(int tag, int oldTag) {
        return P9TestClient.bytes(P9Operation.FLUSH.number(), tag, (short) oldTag);
    }

    private void take(P9Request request) {
        int taken = requests.take(request);
        while (taken < 0) {
            request.grow(-taken);
            taken = requests.take(request);
        }
        assertTrue(taken > 0, "there is a request");
    }

    private void answer(P9Request request) {
        requests.answer(
                request,
                server.handle(
                        request.scratch,
                        request.asked(),
                        request.bytes,
                        request.answer(),
                        request.bound));
    }

    private void serveAll() {
        while (requests.take(first) > 0) {
            answer(first);
        }
        requests.answerFlushes();
    }

    @Test
    void requestIsAnsweredOnItsOwnRing() {
        other.send(version(5));
        assertTrue(requests.hasMore());
        take(first);
        assertEquals(1, requests.inFlight());
        answer(first);
        assertEquals(0, requests.inFlight());
        assertEquals(5, other.receiveTag());
        assertEquals(-1, front.receiveTag());
        assertEquals(1, other.events.get());
        assertEquals(0, front.events.get(), "no event without an answer");
        assertEquals(other.get(P9Queue.OUT_PROD), other.get(P9Queue.OUT_CONS));
    }

    private static byte[] read(int tag, int count) {
        return P9TestClient.bytes(P9Operation.READ.number(), tag, FID, 0L, count);
    }

    /// A worker would look again and again, for as long as the guest leaves its answers.
    @Test
    void requestWithoutRoomForItsAnswerIsNoWork() {
        front.send(version(1));
        serveAll();
        for (int tag = 0; tag < 20; tag++) {
            front.send(statfs(tag));
        }
        serveAll();
        front.send(read(30, 8000));
        assertTrue(requests.hasMore());
        serveAll();
        assertFalse(requests.hasMore(), "there is room for small answers alone");
        while (front.receive() != null) {
            // Makes room.
        }
        assertTrue(requests.hasMore());
        take(first);
        answer(first);
        assertEquals(30, front.receiveTag());
        front.send(statfs(31));
        assertTrue(requests.hasMore(), "the next one needs less");
    }

    @Test
    void flushBeyondThoseThatMayWaitIsNoWork() {
        front.send(version(1));
        serveAll();
        front.send(statfs(9));
        take(first);
        for (int tag = 0; tag <= P9Requests.FLUSHES_MAX; tag++) {
            other.send(flush(tag, 9));
        }
        assertEquals(P9Requests.NOTHING, requests.take(second));
        assertFalse(requests.hasMore());
        answer(first);
        assertTrue(requests.hasMore());
        assertEquals(P9Requests.NOTHING, requests.take(second));
        requests.answerFlushes();
        assertFalse(requests.hasMore());
    }

    /// A Tflush whose request ended at the last moment before a save is answered after the restore.
    @Test
    void flushThatWaitsIsSavedAndRestored() throws Exception {
        front.send(version(1));
        take(first);
        answer(first);
        assertEquals(1, front.receiveTag());
        front.send(statfs(9));
        take(first);
        other.send(flush(3, 9));
        assertEquals(P9Requests.NOTHING, requests.take(second));
        assertFalse(requests.drain(Duration.ZERO));
        answer(first);
        assertTrue(requests.drain(Duration.ofSeconds(1)));
        assertEquals(9, front.receiveTag());
        assertEquals(-1, other.receiveTag(), "it stands still");

        List<P9State.Flush> flushes = requests.save();
        assertEquals(1, flushes.size());
        P9Queue queue = front.restore(queue(0).save(), 0);
        P9Queue otherQueue = other.restore(queue(1).save(), 1);
        requests.close();
        requests = new P9Requests(server, P9Observer.NONE, List.of(first, second));
        requests.add(queue);
        requests.add(otherQueue);
        requests.restore(flushes);
        requests.answerFlushes();
        assertEquals(-1, other.receiveTag(), "it still stands still");
        requests.resume();
        requests.answerFlushes();
        assertEquals(3, other.receiveTag());
        front.send(statfs(10));
        take(first);
        answer(first);
        assertEquals(10, front.receiveTag());
    }

    @Test
    void requestThatIsNotWholeWaits() {
        byte[] whole = version(3);
        for (int i = 0; i < whole.length; i++) {
            assertEquals(P9Requests.NOTHING, requests.take(first));
            assertFalse(requests.hasMore());
            front.send(new byte[] {whole[i]});
        }
        take(first);
        answer(first);
        assertEquals(3, front.receiveTag());
    }

    @ParameterizedTest
    @ValueSource(ints = {-10, -3, 8185, 8190, Integer.MAX_VALUE - 5})
    void indicesRunFreelyAndMessagesWrap(int start) throws XenError {
        try (P9PlainFront wrapping = new P9PlainFront(2, start)) {
            requests.add(wrapping.attach());
            wrapping.send(version(9));
            serveAll();
            byte[] answer = wrapping.receive();
            assertNotNull(answer);
            assertEquals(21, answer.length);
            assertEquals('L', answer[20]);
        }
    }

    /// A larger message size is agreed on between the taking of a request and its answer.
    @Test
    void answerKeepsToTheRoomThatWasKeptForIt() {
        front.send(P9TestClient.bytes(P9Operation.VERSION.number(), 1, 4096, "9P2000.L"));
        serveAll();
        front.receive();
        front.send(P9TestClient.bytes(P9Operation.READ.number(), 2, 2, 0L, 8000));
        take(first);
        assertEquals(4096, first.bound);

        other.send(version(3));
        other.send(P9TestClient.bytes(P9Operation.ATTACH.number(), 1, FID, -1, "u", "", -1));
        other.send(P9TestClient.bytes(P9Operation.WALK.number(), 1, FID, 2, (short) 1, "f"));
        other.send(P9TestClient.bytes(P9Operation.LOPEN.number(), 1, 2, 0));
        for (int i = 0; i < 4; i++) {
            take(second);
            answer(second);
        }
        answer(first);

        byte[] answer = front.receive();
        assertNotNull(answer);
        assertEquals(4096, answer.length);
    }

    @Test
    void answersComeInAnyOrder() {
        front.send(version(1));
        serveAll();
        front.receive();
        front.send(statfs(1));
        front.send(statfs(2));
        take(first);
        take(second);
        answer(second);
        assertEquals(2, front.receiveTag());
        answer(first);
        assertEquals(1, front.receiveTag());
    }

    @Test
    void flushIsAnsweredAfterTheFlushedRequest() {
        front.send(version(1));
        serveAll();
        front.receive();
        front.send(statfs(1));
        take(first);
        front.send(flush(2, 1));
        other.send(flush(3, 2));
        other.send(flush(4, 77));
        assertEquals(P9Requests.NOTHING, requests.take(second));
        requests.answerFlushes();
        assertEquals(4, other.receiveTag(), "nothing of that tag");
        assertEquals(-1, front.receiveTag());
        assertEquals(3, requests.inFlight());
        answer(first);
        assertEquals(1, front.receiveTag());
        assertEquals(2, front.receiveTag());
        assertEquals(3, other.receiveTag());
        assertEquals(0, requests.inFlight());
    }

    /// The request is still in its ring when the flush comes on the other one.
    @Test
    void flushOvertakesNoRequestOfAnotherRing() {
        front.send(version(1));
        serveAll();
        front.receive();
        front.send(version(1));
        take(second);
        front.send(statfs(6));
        other.send(flush(7, 6));
        // The other ring has its turn first.
        take(first);
        requests.answerFlushes();
        assertEquals(-1, other.receiveTag());
        answer(second);
        assertEquals(-1, other.receiveTag());
        answer(first);
        assertEquals(7, other.receiveTag());
    }

    @Test
    void flushesOfEachOtherAllEnd() {
        front.send(flush(1, 2));
        front.send(flush(2, 1));
        front.send(flush(3, 3));
        assertEquals(P9Requests.NOTHING, requests.take(first));
        requests.answerFlushes();
        assertEquals(3, front.receiveTag(), "flushes itself");
        assertEquals(1, front.receiveTag());
        assertEquals(2, front.receiveTag());
    }

    @Test
    void flushesThatWaitAreLimited() {
        front.send(version(1));
        take(first);
        for (int i = 0; i < 2 * P9Requests.FLUSHES_MAX; i++) {
            front.send(flush(100 + i, 1));
        }
        assertEquals(P9Requests.NOTHING, requests.take(second));
        assertEquals(1 + P9Requests.FLUSHES_MAX, requests.inFlight());
        answer(first);
        serveAll();
        assertEquals(1, front.receiveTag());
        for (int i = 0; i < 2 * P9Requests.FLUSHES_MAX; i++) {
            assertEquals(100 + i, front.receiveTag());
        }
    }

    @Test
    void guestThatReadsNothingBlocksItsRingOnly() {
        front.send(version(1));
        serveAll();
        front.receive();
        front.send(P9TestClient.bytes(P9Operation.ATTACH.number(), 1, FID, -1, "u", "", -1));
        front.send(P9TestClient.bytes(P9Operation.WALK.number(), 1, FID, 2, (short) 1, "f"));
        front.send(P9TestClient.bytes(P9Operation.LOPEN.number(), 1, 2, 0));
        for (int i = 0; i < 3; i++) {
            front.send(P9TestClient.bytes(P9Operation.READ.number(), 10 + i, 2, 0L, 7000));
        }
        serveAll();
        int blockedAt = front.get(P9Queue.OUT_CONS);
        serveAll();
        assertEquals(blockedAt, front.get(P9Queue.OUT_CONS), "a request waits in the ring");
        assertTrue(blockedAt != front.get(P9Queue.OUT_PROD));
        other.send(statfs(50));
        serveAll();
        assertEquals(50, other.receiveTag());
        for (int i = 0; i < 3; i++) {
            assertEquals(1, front.receiveTag());
        }
        assertEquals(10, front.receiveTag());
        serveAll();
        assertEquals(11, front.receiveTag());
        serveAll();
        assertEquals(12, front.receiveTag());
    }

    @ParameterizedTest
    @ValueSource(ints = {8193, -1, Integer.MIN_VALUE})
    void impossibleIndexBreaksThatRingOnly(int produced) {
        front.set(P9Queue.OUT_PROD, produced);
        assertEquals(P9Requests.NOTHING, requests.take(first));
        assertEquals(1, requests.broken());
        front.set(P9Queue.OUT_PROD, 0);
        front.send(version(1));
        other.send(version(2));
        serveAll();
        assertNull(front.receive());
        assertEquals(2, other.receiveTag());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, -8193})
    void impossibleIndexOfAnswersBreaksTheRing(int consumed) {
        front.set(P9Queue.IN_CONS, consumed);
        front.send(version(1));
        assertEquals(P9Requests.NOTHING, requests.take(first));
        assertEquals(1, requests.broken());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 6, 8193, -1})
    void impossibleSizeBreaksTheRing(int bytes) {
        byte[] message = version(1);
        ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN).putInt(0, bytes);
        front.send(message);
        assertEquals(P9Requests.NOTHING, requests.take(first));
        assertEquals(1, requests.broken());
    }

    @Test
    void indicesThatDoNotBelongTogetherAreRefusedAtOnce() {
        front.set(P9Queue.OUT_PROD, 8193);
        assertThrows(XenError.class, front::attach);
        front.set(P9Queue.OUT_PROD, 0);
        front.set(P9Queue.IN_CONS, 5);
        assertThrows(XenError.class, front::attach);
    }

    @Test
    @Timeout(30)
    void drainWaitsForRequestsThatRun() throws InterruptedException {
        front.send(version(1));
        take(first);
        front.send(version(2));
        assertFalse(requests.drain(Duration.ofMillis(20)));
        assertEquals(P9Requests.NOTHING, requests.take(second), "no new ones");
        Thread late = Thread.ofPlatform().start(() -> answer(first));
        assertTrue(requests.drain(Duration.ofSeconds(20)));
        late.join();
        assertEquals(1, front.receiveTag(), "what ran is answered");
        assertFalse(requests.hasMore());
        requests.resume();
        serveAll();
        assertEquals(2, front.receiveTag());
    }

    @Test
    void afterTheEndNothingTouchesTheGuestsMemory() throws InterruptedException {
        front.send(version(1));
        take(first);
        front.send(flush(2, 1));
        assertEquals(P9Requests.NOTHING, requests.take(second));
        requests.drop(first);
        assertTrue(requests.drain(Duration.ZERO));
        requests.close();
        front.send(version(3));
        requests.answerFlushes();
        assertEquals(P9Requests.NOTHING, requests.take(first));
        assertFalse(requests.hasMore());
        assertFalse(requests.hasProgressed(0));
        assertNull(front.receive());
    }

    @Test
    void progressCannotBeFeigned() {
        assertFalse(requests.hasProgressed(0));
        front.send(version(1));
        assertTrue(requests.hasProgressed(0));
        assertFalse(requests.hasProgressed(0));
        serveAll();
        front.receive();
        assertTrue(requests.hasProgressed(0));
        int consumed = front.get(P9Queue.IN_CONS);
        front.set(P9Queue.IN_CONS, consumed - 10);
        assertFalse(requests.hasProgressed(0));
        front.set(P9Queue.IN_CONS, consumed);
        assertFalse(requests.hasProgressed(0));
        front.set(P9Queue.IN_CONS, consumed + 10);
        assertFalse(requests.hasProgressed(0));
    }
}
