package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.nbd.FakeNbdServer.Behaviour;
import io.xenemu.core.backend.nbd.FakeNbdServer.Request;
import io.xenemu.core.backend.nbd.FakeNbdServer.Session;
import io.xenemu.core.backend.nbd.NbdStore.DiskOptions;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A disk behind a server that a test scripts.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NbdStoreTest {
    private static final int PAGE = 4096;
    private static final int SIZE = 8 << 20;
    private static final DiskOptions OPTIONS =
            new DiskOptions("dom3-vbd-51712", true, true, DiskServing.ANY_SECTOR);

    private FakeNbdServer server;
    private @Nullable NbdStore opened;
    private @Nullable DiskUser disk;

    @BeforeEach
    void serve() throws IOException {
        server = new FakeNbdServer(SIZE);
    }

    @AfterEach
    void end() {
        if (opened != null) {
            opened.close();
        }
        if (disk != null) {
            disk.close();
        }
        server.close();
    }

    private DiskUser open() throws IOException {
        NbdStore store = NbdStore.open(server, OPTIONS, new SimpleMeterRegistry());
        opened = store;
        DiskUser user = new DiskUser(store);
        disk = user;
        return user;
    }

    private NbdStore store() {
        return Objects.requireNonNull(opened);
    }

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void bytesComeBack(boolean structured) throws Exception {
        server.structured = structured;
        DiskUser user = open();
        assertEquals(0, user.write(8192, 3 * PAGE, 7).errno());
        assertEquals(0, user.write(512, 1024, 9).errno());
        var read = user.read(8192, 3 * PAGE);
        assertEquals(0, read.errno());
        assertArrayEquals(filled(3 * PAGE, 7), read.bytes());
        read = user.read(512, 1024);
        assertEquals(0, read.errno());
        assertArrayEquals(filled(1024, 9), read.bytes());
    }

    @Test
    void sizeAndFeaturesAreTheExports() throws Exception {
        server.size = SIZE + 100;
        open();
        assertEquals(SIZE, store().bytes());
        assertTrue(store().features().writable() && store().features().flush());
        assertTrue(store().features().discard() && store().features().writeZeroes());
        assertEquals(PAGE, store().features().physicalBlock());
    }

    @Test
    void operationThatServerLacksIsNotSupported() throws Exception {
        server.flags = NbdProtocol.HAS_FLAGS;
        DiskUser user = open();
        assertEquals(Errno.EOPNOTSUPP, user.discard(0, PAGE).errno());
        assertEquals(Errno.EOPNOTSUPP, user.zeroes(0, PAGE).errno());
        assertEquals(Errno.EOPNOTSUPP, user.flush().errno());
        assertEquals(List.of(), server.commands());
    }

    @Test
    void writesAreForcedWhereServerCannotFlush() throws Exception {
        server.flags = NbdProtocol.HAS_FLAGS | NbdProtocol.SEND_FUA;
        DiskUser user = open();
        assertFalse(store().features().flush());
        assertEquals(0, user.write(0, PAGE, 1).errno());
        assertEquals(NbdProtocol.CMD_FLAG_FUA, server.seen.remove().flags());
        assertEquals(0, store().unflushed());
    }

    /// The disk's guest was not offered a flush, and no journal is kept.
    @Test
    void writesAreForcedAlsoIfTheServerThatCameBackCanFlush() throws Exception {
        server.flags = NbdProtocol.HAS_FLAGS | NbdProtocol.SEND_FUA;
        DiskUser user = open();
        server.flags |= NbdProtocol.SEND_FLUSH;
        server.crash();
        assertEquals(0, user.write(0, PAGE, 1).errno());
        assertEquals(NbdProtocol.CMD_FLAG_FUA, server.seen.remove().flags());
    }

    @Test
    void severalConnectionsWhereServerAllows() throws Exception {
        server.flags |= NbdProtocol.CAN_MULTI_CONN;
        DiskUser user = open();
        Eventually.holds("two connections", () -> server.connections.get() == 2);
        List<DiskUser.Transfer> writes = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            writes.add(user.write((long) i * PAGE, PAGE, i));
        }
        for (var write : writes) {
            assertEquals(0, write.errno());
        }
        assertEquals(0, user.flush().errno());
        for (int i = 0; i < 100; i++) {
            assertEquals(i, server.durable[i * PAGE]);
        }
    }

    @Test
    void repliesComeInAnyOrder() throws Exception {
        List<Request> kept = new ArrayList<>();
        server.behaviour =
                (session, request) -> {
                    kept.add(request);
                    if (kept.size() == 8) {
                        for (Request last : kept.reversed()) {
                            session.serve(last);
                        }
                        kept.clear();
                    }
                };
        DiskUser user = open();
        List<DiskUser.Transfer> writes = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            writes.add(user.write((long) i * PAGE, PAGE, i + 1));
        }
        for (var write : writes) {
            assertEquals(0, write.errno());
        }
        List<DiskUser.Transfer> reads = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            reads.add(user.read((long) i * PAGE, PAGE));
        }
        for (int i = 0; i < 8; i++) {
            assertEquals(0, reads.get(i).errno());
            assertArrayEquals(filled(PAGE, i + 1), reads.get(i).bytes());
        }
        server.behaviour = Session::serve;
    }

    @Test
    void readComesInChunksAndHolesOutOfOrder() throws Exception {
        server.behaviour =
                (session, r) -> {
                    session.data(r, r.offset() + 2 * PAGE, filled(PAGE, 3), false);
                    session.data(r, r.offset() + 512, filled(PAGE - 512, 1), false);
                    session.data(r, r.offset(), filled(512, 1), false);
                    session.chunk(r, NbdProtocol.REPLY_OFFSET_HOLE, 12, false);
                    session.out.writeLong(r.offset() + PAGE);
                    session.out.writeInt(PAGE);
                    session.chunk(r, NbdProtocol.REPLY_NONE, 0, true);
                };
        var read = open().read(0, 3 * PAGE);
        assertEquals(0, read.errno());
        byte[] expected = new byte[3 * PAGE];
        Arrays.fill(expected, 0, PAGE, (byte) 1);
        Arrays.fill(expected, 2 * PAGE, 3 * PAGE, (byte) 3);
        assertArrayEquals(expected, read.bytes());
    }

    @Test
    void errorInTheMiddleOfReadIsOfThatRequestAlone() throws Exception {
        AtomicInteger reads = new AtomicInteger();
        server.behaviour =
                (session, r) -> {
                    if (r.command() != NbdProtocol.CMD_READ || reads.incrementAndGet() > 1) {
                        session.serve(r);
                        return;
                    }
                    session.data(r, r.offset(), filled(PAGE, 1), false);
                    session.chunk(r, NbdProtocol.REPLY_ERROR | 2, 6 + 4 + 8, false);
                    session.out.writeInt(Errno.EIO);
                    session.out.writeShort(4);
                    session.out.writeBytes("disk");
                    session.out.writeLong(r.offset() + PAGE);
                    session.chunk(r, NbdProtocol.REPLY_NONE, 0, true);
                };
        DiskUser user = open();
        assertEquals(Errno.EIO, user.read(0, 2 * PAGE).errno());
        assertEquals(0, user.read(0, 2 * PAGE).errno());
        assertEquals(0, store().reconnects());
    }

    @Test
    void errorOfWriteIsOfThatRequestAlone() throws Exception {
        server.behaviour =
                (session, r) -> {
                    if (r.offset() == PAGE) {
                        session.simple(r, Errno.ENOSPC);
                    } else {
                        session.simple(r, r.offset() == 2 * PAGE ? 4711 : 0);
                    }
                };
        DiskUser user = open();
        assertEquals(0, user.write(0, PAGE, 1).errno());
        assertEquals(Errno.ENOSPC, user.write(PAGE, PAGE, 1).errno());
        assertEquals(Errno.EINVAL, user.write(2 * PAGE, PAGE, 1).errno(), "no such error");
    }

    static Stream<Arguments> impossibleReplies() {
        return Stream.of(
                reply("a wrong magic", (s, r) -> s.out.writeInt(0x12345678)),
                reply("an unknown request", (s, r) -> s.simple(of(r, r.cookie() ^ 1), 0)),
                reply("a simple reply to a read", (s, r) -> s.simple(r, 0)),
                reply(
                        "a chunk with no content",
                        (s, r) -> s.data(r, r.offset(), filled(0, 0), true)),
                reply("too little data", (s, r) -> s.data(r, r.offset(), filled(512, 1), true)),
                reply("too much data", (s, r) -> s.data(r, r.offset(), filled(2 * PAGE, 1), true)),
                reply("data before", (s, r) -> s.data(r, r.offset() - 512, filled(PAGE, 1), true)),
                reply("data behind", (s, r) -> s.data(r, r.offset() + PAGE, filled(1, 1), false)),
                reply("a huge chunk", (s, r) -> s.chunk(r, 1, Integer.MAX_VALUE, true)),
                reply("a negative chunk", (s, r) -> s.chunk(r, 1, -1, true)),
                reply("a chunk of no type", (s, r) -> s.chunk(r, 99, 0, true)),
                reply("a last chunk that is not", (s, r) -> s.chunk(r, 0, 0, false)),
                reply("a block status", (s, r) -> s.chunk(r, 5, 12, true)),
                reply("a huge error", (s, r) -> s.chunk(r, 0x8001, 1 << 20, true)),
                reply("an error that is none", NbdStoreTest::emptyError),
                reply("data that comes twice", NbdStoreTest::twice),
                reply("a hole of nothing", NbdStoreTest::emptyHole),
                reply("the end", (s, r) -> s.hangUp()),
                reply("a part and the end", NbdStoreTest::partAndEnd),
                reply("its shutdown", NbdStoreTest::shutDown));
    }

    private static Arguments reply(String what, Behaviour behaviour) {
        return Arguments.of(what, behaviour);
    }

    private static Request of(Request r, long cookie) {
        return new Request(r.flags(), r.command(), cookie, r.offset(), r.length(), r.data());
    }

    private static void emptyError(Session s, Request r) throws IOException {
        s.chunk(r, NbdProtocol.REPLY_ERROR | 1, 6, true);
        s.out.writeInt(0);
        s.out.writeShort(0);
    }

    private static void twice(Session s, Request r) throws IOException {
        s.data(r, r.offset() + 512, filled(512, 1), false);
        s.data(r, r.offset(), filled(PAGE - 512, 1), true);
    }

    private static void emptyHole(Session s, Request r) throws IOException {
        s.chunk(r, NbdProtocol.REPLY_OFFSET_HOLE, 12, true);
        s.out.writeLong(r.offset());
        s.out.writeInt(0);
    }

    private static void partAndEnd(Session s, Request r) throws IOException {
        s.chunk(r, NbdProtocol.REPLY_OFFSET_DATA, Long.BYTES + PAGE, true);
        s.out.writeLong(r.offset());
        s.out.write(filled(100, 1));
        s.hangUp();
    }

    private static void shutDown(Session s, Request r) throws IOException {
        s.chunk(r, NbdProtocol.REPLY_ERROR | 1, 6, true);
        s.out.writeInt(Errno.ESHUTDOWN);
        s.out.writeShort(0);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("impossibleReplies")
    void impossibleReplyBreaksTheConnectionAndTheRequestIsSentAgain(
            String what, Behaviour impossible) throws Exception {
        AtomicBoolean first = new AtomicBoolean(true);
        server.behaviour =
                (session, r) -> {
                    if (r.command() == NbdProtocol.CMD_READ && first.getAndSet(false)) {
                        impossible.handle(session, r);
                    } else {
                        session.serve(r);
                    }
                };
        DiskUser user = open();
        assertEquals(0, user.write(PAGE, PAGE, 5).errno());
        var read = user.read(PAGE, PAGE);
        assertEquals(0, read.errno(), what);
        assertArrayEquals(filled(PAGE, 5), read.bytes());
        assertEquals(1, store().reconnects());
        assertEquals(1, server.abandoned.get());
    }

    @Test
    void crashOfServerLosesNoAcknowledgedWrite() throws Exception {
        DiskUser user = open();
        assertEquals(0, user.write(0, PAGE, 100).errno());
        assertEquals(0, user.flush().errno());
        for (int i = 1; i <= 100; i++) {
            assertEquals(0, user.write((long) i * PAGE, PAGE, i).errno());
        }
        // Newer than an older one at the same place, and zeroes and a trim in their order.
        assertEquals(0, user.write(5 * PAGE, PAGE, 77).errno());
        assertEquals(0, user.zeroes(6 * PAGE, PAGE).errno());
        assertEquals(0, user.discard(7 * PAGE, PAGE).errno());
        assertEquals(0, user.write(7 * PAGE, 512, 78).errno());
        server.crash();
        assertEquals(0, user.flush().errno());
        for (int i = 0; i <= 100; i++) {
            int expected = i == 0 ? 100 : i == 5 ? 77 : i == 6 ? 0 : i == 7 ? 78 : i;
            assertEquals(expected, server.durable[i * PAGE], "page " + i);
        }
        assertEquals(0, server.durable[7 * PAGE + 512]);
        assertEquals(0, store().unflushed());
    }

    @Test
    void requestsThatWereNotAnsweredAreSentAgainInOrder() throws Exception {
        AtomicInteger swallowed = new AtomicInteger();
        server.behaviour =
                (session, r) -> {
                    if (swallowed.incrementAndGet() < 20) {
                        return;
                    }
                    server.behaviour = Session::serve;
                    session.hangUp();
                };
        DiskUser user = open();
        List<DiskUser.Transfer> writes = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            writes.add(user.write((long) i * PAGE, PAGE, i + 1));
        }
        for (var write : writes) {
            assertEquals(0, write.errno());
        }
        List<Long> again =
                server.seen.stream().skip(20).map(r -> r.offset() / PAGE).distinct().toList();
        assertEquals(again.stream().sorted().toList(), again);
        for (int i = 0; i < 40; i++) {
            assertEquals(i + 1, server.cached[i * PAGE]);
        }
    }

    @Test
    void fullJournalMakesStoreFlushItself() throws Exception {
        DiskUser user = open();
        int part = 1 << 20;
        for (int i = 0; i < 42; i++) {
            assertEquals(0, user.write((long) (i % 7) * part, part, i + 1).errno());
            assertTrue(store().unflushed() <= WriteJournal.LIMIT, "bytes kept");
        }
        assertTrue(server.commands().contains(NbdProtocol.CMD_FLUSH));
        server.crash();
        assertEquals(0, user.flush().errno());
        for (int i = 0; i < 7; i++) {
            assertEquals(36 + i, server.durable[i * part + part - 1]);
        }
    }

    @Test
    void failedFlushFailsWritesThatHaveNoRoom() throws Exception {
        server.behaviour =
                (session, r) -> {
                    if (r.command() == NbdProtocol.CMD_FLUSH) {
                        session.simple(r, Errno.ENOSPC);
                    } else {
                        session.serve(r);
                    }
                };
        DiskUser user = open();
        int part = 1 << 20;
        int failed = 0;
        for (int i = 0; i < 40; i++) {
            int errno = user.write((long) (i % 7) * part, part, i + 1).errno();
            assertTrue(errno == 0 || errno == Errno.ENOSPC);
            failed += errno == 0 ? 0 : 1;
        }
        assertTrue(failed > 0, "writes beyond the journal fail");
        assertEquals(0, user.read(0, PAGE).errno());
        server.behaviour = Session::serve;
        assertEquals(0, user.flush().errno());
        assertEquals(0, user.write(0, part, 9).errno());
    }

    @Test
    void longWriteGoesInParts() throws Exception {
        DiskUser user = open();
        int length = 3 * (1 << 20) + 512;
        assertEquals(0, user.write(PAGE, length, 6).errno());
        assertEquals(4, server.commands().size());
        var read = user.read(PAGE, length);
        assertEquals(0, read.errno());
        assertArrayEquals(filled(length, 6), read.bytes());
    }

    @Test
    void serverThatTakesNothingHoldsUpNobody() throws Exception {
        AtomicBoolean hangs = new AtomicBoolean(true);
        server.behaviour =
                (session, r) -> {
                    Eventually.holds("the test goes on", () -> !hangs.get());
                    session.serve(r);
                };
        DiskUser user = open();
        List<DiskUser.Transfer> writes = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            writes.add(user.write((long) (i % 100) * (64 << 10), 64 << 10, i + 1));
        }
        assertTrue(store().inFlight() <= RequestSlots.COUNT);
        assertTrue(writes.stream().noneMatch(DiskUser.Transfer::isDone));
        hangs.set(false);
        for (var write : writes) {
            assertEquals(0, write.errno());
        }
    }

    @Test
    void closeEndsRequestsOfServerThatHangs() throws Exception {
        AtomicBoolean hangs = new AtomicBoolean(true);
        server.behaviour = (session, r) -> Eventually.holds("the test goes on", () -> !hangs.get());
        DiskUser user = open();
        var read = user.read(0, PAGE);
        List<DiskUser.Transfer> writes = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            writes.add(user.write((long) (i % 100) * (64 << 10), 64 << 10, 1));
        }
        store().close();
        assertEquals(Errno.EIO, read.errno());
        for (var write : writes) {
            assertEquals(Errno.EIO, write.errno());
        }
        assertEquals(Errno.EIO, user.read(0, PAGE).errno(), "after the end");
        hangs.set(false);
    }

    @Test
    void requestsOfServerThatHangsCanBeGivenUp() throws Exception {
        AtomicBoolean hangs = new AtomicBoolean(true);
        server.behaviour =
                (session, r) -> {
                    if (r.command() == NbdProtocol.CMD_READ && hangs.get()) {
                        return;
                    }
                    session.serve(r);
                };
        DiskUser user = open();
        assertEquals(0, user.write(0, PAGE, 5).errno());
        var read = user.read(0, PAGE);
        Eventually.holds("it is sent", () -> server.seen.size() == 2);
        store().giveUp();
        assertEquals(Errno.EIO, read.errno());
        hangs.set(false);
        read = user.read(0, PAGE);
        assertEquals(0, read.errno(), "the disk goes on");
        assertArrayEquals(filled(PAGE, 5), read.bytes());
    }

    @Test
    void requestThatEndsEachConnectionFailsAfterAFewAndTheDiskGoesOn() throws Exception {
        server.behaviour =
                (session, r) -> {
                    if (r.command() == NbdProtocol.CMD_READ) {
                        session.hangUp();
                    } else {
                        session.serve(r);
                    }
                };
        DiskUser user = open();
        assertEquals(Errno.EIO, user.read(0, PAGE).errno());
        assertEquals(6, server.seen.size());
        assertEquals(0, user.write(0, PAGE, 5).errno());
    }

    /// No server's fault: the memory is not what the transfer says.
    @Test
    void requestThatCannotBeSentFailsAndTheDiskGoesOn() throws Exception {
        DiskUser user = open();
        assertEquals(0, user.write(0, PAGE, 5).errno());
        store().lock().lock();
        try {
            store().queue().leave(NbdQueue.Phase.DOWN);
        } finally {
            store().lock().unlock();
        }
        DiskUser.Transfer wrong = user.write(0, PAGE, 6);
        wrong.clear();
        NbdConnection next;
        store().lock().lock();
        try {
            store().queue().use(store().queue().connections());
            next = store().queue().claim();
        } finally {
            store().lock().unlock();
        }
        store().send(next);
        assertEquals(Errno.EIO, wrong.errno());
        var read = user.read(0, PAGE);
        assertEquals(0, read.errno());
        assertArrayEquals(filled(PAGE, 5), read.bytes());
    }

    @Test
    void bugOfTheRecoveryFailsTheRequestsAndEndsTheServer() throws Exception {
        DiskUser user = open();
        server.behaviour = (_, _) -> {};
        DiskUser.Transfer unanswered = user.write(0, PAGE, 5);
        Eventually.holds("it is sent", () -> !server.seen.isEmpty());
        server.hasBug = true;
        server.crash();
        assertEquals(Errno.EIO, unanswered.errno());
        assertEquals(Errno.EIO, user.read(0, PAGE).errno());
        Eventually.holds("the server is ended", () -> server.closed);
        store().close();
    }

    @Test
    void closeFlushes() throws Exception {
        DiskUser user = open();
        assertEquals(0, user.write(0, PAGE, 5).errno());
        store().close();
        store().close();
        assertEquals(5, server.durable[0]);
    }

    @Test
    void disksThatCameBackSmallerFail() throws Exception {
        DiskUser user = open();
        assertEquals(0, user.write(0, PAGE, 5).errno());
        server.size = SIZE / 2;
        server.crash();
        assertEquals(Errno.EIO, user.read(0, PAGE).errno());
        assertEquals(Errno.EIO, user.write(0, PAGE, 5).errno());
    }

    @Test
    void resizeAsksTheServer() throws Exception {
        open();
        server.size = SIZE + 4 * PAGE;
        store().resize();
        assertEquals(SIZE + 4 * PAGE, store().bytes());
    }

    @Test
    void serverWithoutGoIsServed() throws Exception {
        server.knowsGo = false;
        DiskUser user = open();
        assertEquals(0, user.write(0, PAGE, 5).errno());
        assertEquals(SIZE, store().bytes());
    }

    @Test
    void serverWithLargeBlocksIsAskedToTakeSmallOnes() throws Exception {
        server.minimumBlock = PAGE;
        DiskUser user = open();
        assertEquals(0, user.write(512, 512, 5).errno());
    }

    @Test
    void serverWithoutSmallBlocksIsADiskWithLargeSectors() throws Exception {
        server.minimumBlock = PAGE;
        server.insists = true;
        DiskUser user = open();
        assertEquals(PAGE, store().features().logicalBlock());
        assertEquals(0, user.write(PAGE, PAGE, 5).errno());
    }

    @Test
    void serverWithoutSmallBlocksIsRefusedToADiskWithSmallSectors() {
        server.minimumBlock = PAGE;
        server.insists = true;
        var small = new DiskOptions("dom3-vbd-51712", true, true, 512);
        var e =
                assertThrows(
                        NbdException.class,
                        () -> NbdStore.open(server, small, new SimpleMeterRegistry()));
        assertTrue(
                e.getMessage()
                        .endsWith("blocks of 4096 bytes, which sectors of 512 bytes do not fit"),
                e.getMessage());
    }

    @Test
    void readOnlyExportIsRefusedToWriter() {
        server.flags |= NbdProtocol.READ_ONLY;
        var e = assertThrows(NbdException.class, this::open);
        assertTrue(e.getMessage().endsWith("is read-only"), e.getMessage());
    }

    @Test
    void rangesAreTold() throws Exception {
        server.behaviour =
                (session, r) -> {
                    session.chunk(r, NbdProtocol.REPLY_BLOCK_STATUS, 4 + 16, true);
                    session.out.writeInt(7);
                    session.out.writeInt(PAGE);
                    session.out.writeInt(0);
                    session.out.writeInt(2 * PAGE);
                    session.out.writeInt(NbdExtents.HOLE | NbdExtents.ZERO);
                };
        open();
        NbdExtents extents = store().extents(0, 3 * PAGE);
        assertEquals(2, extents.count());
        assertEquals(PAGE, extents.length(0));
        assertEquals(0, extents.state(0));
        assertEquals(2 * PAGE, extents.length(1));
        assertEquals(NbdExtents.HOLE | NbdExtents.ZERO, extents.state(1));
    }

    @Test
    void threadsEndWithTheStore() throws Exception {
        server.flags |= NbdProtocol.CAN_MULTI_CONN;
        DiskUser user = open();
        assertEquals(0, user.write(0, PAGE, 5).errno());
        store().close();
        assertFalse(
                Thread.getAllStackTraces().keySet().stream()
                        .anyMatch(thread -> thread.getName().startsWith(OPTIONS.name())));
    }
}
