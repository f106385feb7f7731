package io.xenemu.core.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.migration.PageSender;
import io.xenemu.core.migration.RamSource;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.StreamSocket;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Pages that come from another host by a real page server, over connections that are lost.
@Timeout(300)
class PeerPagesTest {
    private static final long PAGE = 4096;
    private static final int PAGES = 3000;

    /// The pages before it have come already, from the next hundred on they are zeros.
    private static final int FIRST = 500;

    private static final long NEVER = Long.MAX_VALUE;

    private final PageService service = new PageService();
    private final PlainMemory memory = new PlainMemory(PAGES);
    private final MemFd source = MemFd.create("source", PAGES * PAGE);
    private final MemorySegment pages = source.map(0, PAGES * PAGE);
    private final BitSet missing = new BitSet();
    private final AtomicInteger takenOver = new AtomicInteger();
    private final CompletableFuture<Void> running = new CompletableFuture<>();
    private final BlockingQueue<String> lost = new LinkedBlockingQueue<>();
    private final CompletableFuture<Void> there = new CompletableFuture<>();

    /// The pages that were given before there was a connection.
    private final Queue<Integer> early = new ConcurrentLinkedQueue<>();

    @TempDir private Path folder = Path.of("");
    private PageSender sender;

    /// The last connection at the other host.
    private @Nullable SocketChannel channel;

    private LateRam ram;

    PeerPagesTest() {
        LatePagesNeeds.rightToUseUserfaultfd();
    }

    @BeforeEach
    void begin() throws IOException {
        Random random = new Random(3);
        PresentPages atPeer = PresentPages.create("missing", PAGES);
        PresentPages present = PresentPages.create("present", PAGES);
        present.set(0, FIRST);
        for (int page = 0; page < PAGES; page++) {
            if (page < FIRST || page >= FIRST + 100) {
                pages.set(ValueLayout.JAVA_LONG, page * PAGE, random.nextLong());
                pages.set(ValueLayout.JAVA_LONG, page * PAGE + 2048, page);
            }
            // Some were never sent, since they are zeros there.
            if (page >= FIRST && page % 7 != 0) {
                missing.set(page);
                atPeer.set(page, page + 1);
            } else if (page >= FIRST) {
                pages.asSlice(page * PAGE, PAGE).fill((byte) 0);
            }
        }
        memory.all().asSlice(0, FIRST * PAGE).copyFrom(pages.asSlice(0, FIRST * PAGE));
        sender = new PageSender(new RamSource(source, pages), missing);
        ram = service.bring("web", memory, UserFaultFd.open(), atPeer, present);
        ram.whenLinkIsLost(lost::add);
        ram.whenThere(() -> there.complete(null));
    }

    @AfterEach
    void close() {
        memory.close();
        service.close();
        sender.close();
        source.close();
    }

    private final class Listener implements PageSender.Listener {
        @Override
        public void takenOver() {
            takenOver.incrementAndGet();
        }

        @Override
        public void running() {
            running.complete(null);
        }
    }

    /// A channel that is lost, or damaged, after some bytes that it has sent.
    private record Faulty(SocketChannel channel, AtomicLong left, boolean isCut)
            implements ByteChannel {
        @Override
        public int read(ByteBuffer into) throws IOException {
            return channel.read(into);
        }

        @Override
        public int write(ByteBuffer from) throws IOException {
            long until = left.get();
            if (until < from.remaining()) {
                if (isCut) {
                    channel.write(from.slice(from.position(), (int) Math.max(0, until)));
                    channel.close();
                    throw new IOException("it is cut");
                }
                int at = from.position() + (int) Math.max(0, until);
                from.put(at, (byte) (from.get(at) ^ 16));
                left.set(NEVER);
            }
            left.addAndGet(-from.remaining());
            return channel.write(from);
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    /// Connects both sides.
    ///
    /// @param bytes after which it is lost or damaged
    private FutureTask<PageSender.End> connect(long bytes, boolean isCut) throws IOException {
        Path path = folder.resolve("link" + takenOver + System.nanoTime());
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            StreamSocket link = StreamSocket.connect(path, Duration.ofSeconds(60));
            SocketChannel accepted = server.accept();
            channel = accepted;
            ram.join(link);
            FutureTask<PageSender.End> end =
                    new FutureTask<>(() -> {
                        try (Faulty faulty = new Faulty(accepted, new AtomicLong(bytes), isCut)) {
                            return sender.serve(faulty, new Listener());
                        }
                    });
            Thread.ofPlatform().daemon().start(end);
            return end;
        }
    }

    private FutureTask<Long> reader(int page) {
        FutureTask<Long> task =
                new FutureTask<>(() -> {
                    memory.await(page);
                    return memory.all().get(ValueLayout.JAVA_LONG, page * PAGE);
                });
        Thread.ofPlatform().daemon().start(task);
        return task;
    }

    private long expected(int page) {
        return pages.get(ValueLayout.JAVA_LONG, page * PAGE);
    }

    private void assertWhole() {
        memory.awaitAll();
        assertEquals(-1, pages.mismatch(memory.all()));
        assertEquals(0, sender.missing());
    }

    @Test
    void pagesComeAndThoseThatAreAskedForToo() throws Exception {
        FutureTask<PageSender.End> end = connect(NEVER, true);
        FutureTask<Long> last = reader(PAGES - 1);
        FutureTask<Long> zero = reader(FIRST + 3);
        assertEquals(expected(PAGES - 1), last.get());
        assertEquals(0, zero.get());
        // The other host keeps the guest until it runs here.
        assertFalse(end.isDone() || there.isDone());
        ram.running();
        running.get();
        assertEquals("", end.get().reason());
        there.get();
        assertWhole();
        assertTrue(lost.isEmpty());
    }

    /// Gives pages that are needed before there is a connection, on a thread of its own.
    private void giveEarly() {
        ram.whenNeeded(page ->
                Thread.ofPlatform()
                        .daemon()
                        .start(() -> {
                            early.add(page);
                            ram.bring(page, PageSender.page(new RamSource(source, pages), page));
                        }));
    }

    @Test
    void pagesThatAreNeededBeforeThereIsAConnectionAreGiven() throws Exception {
        giveEarly();
        assertEquals(expected(FIRST + 1), reader(FIRST + 1).get());
        assertEquals(expected(PAGES - 1), reader(PAGES - 1).get());
        assertEquals(0, reader(FIRST + 6).get());
        // Zeros at the other host are known here.
        assertEquals(0, reader(FIRST + 7 - FIRST % 7).get());
        FutureTask<PageSender.End> end = connect(NEVER, true);
        ram.running();
        assertEquals("", end.get().reason());
        assertWhole();
        assertEquals(List.of(FIRST + 1, PAGES - 1, FIRST + 6), List.copyOf(early));
    }

    @Test
    void allPagesMayBeNeededBeforeThereIsAConnection() throws Exception {
        giveEarly();
        for (int page = FIRST; page < PAGES; page++) {
            assertEquals(expected(page), reader(page).get());
        }
        there.get();
        FutureTask<PageSender.End> end = connect(NEVER, true);
        assertFalse(end.isDone());
        ram.running();
        assertEquals("", end.get().reason());
        assertEquals(-1, pages.mismatch(memory.all()));
    }

    @Test
    void otherServerAsksAgainForWhatIsNeededEarly() throws Exception {
        CompletableFuture<Void> isAsked = new CompletableFuture<>();
        ram.whenNeeded(_ -> isAsked.complete(null));
        FutureTask<Long> reader = reader(FIRST + 1);
        isAsked.get();
        giveEarly();
        signal("KILL");
        assertEquals(expected(FIRST + 1), reader.get());
    }

    @Test
    void pageThatIsNotGivenEarlyComesWithTheConnection() throws Exception {
        CompletableFuture<Void> isAsked = new CompletableFuture<>();
        ram.whenNeeded(_ -> isAsked.complete(null));
        FutureTask<Long> reader = reader(PAGES - 1);
        isAsked.get();
        FutureTask<PageSender.End> _ = connect(NEVER, true);
        assertEquals(expected(PAGES - 1), reader.get());
    }

    @Test
    void pagesThatAreGivenUpAreLost() throws Exception {
        CompletableFuture<String> reason = new CompletableFuture<>();
        ram.whenLost(reason::complete);
        ram.whenNeeded(_ ->
                Thread.ofPlatform().daemon().start(() -> ram.giveUp("the other host has gone")));
        FutureTask<Long> reader = reader(FIRST + 1);
        assertEquals("the other host has gone", reason.get());
        assertThrows(ExecutionException.class, reader::get);
        FutureTask<PageSender.End> end = connect(NEVER, true);
        assertEquals("its memory is lost", end.get().reason());
    }

    @Test
    void hostThatConnectsAgainAfterAllPagesHaveComeIsTold() throws Exception {
        FutureTask<PageSender.End> first = connect(NEVER, true);
        reader(PAGES - 1).get();
        while (sender.missing() > 0) {
            Thread.sleep(1);
        }
        // The last page is there, or on its way, and nobody has said that the guest runs.
        Objects.requireNonNull(channel).close();
        assertThrows(ExecutionException.class, first::get);
        assertFalse(lost.take().isEmpty());
        if (!there.isDone()) {
            first = connect(NEVER, true);
            ram.running();
            assertEquals("", first.get().reason());
        } else {
            FutureTask<PageSender.End> second = connect(NEVER, true);
            assertFalse(second.isDone());
            ram.running();
            assertEquals("", second.get().reason());
        }
        assertWhole();
    }

    @Test
    void connectionsAreLostAndDamagedAndPagesGoOnToCome() throws Exception {
        Random random = new Random(17);
        int connections = 0;
        while (!there.isDone()) {
            boolean isLast = connections > 30;
            FutureTask<PageSender.End> _ =
                    connect(isLast ? NEVER : random.nextInt(6_000), random.nextBoolean());
            connections++;
            if (connections == 1) {
                ram.running();
            }
            if (isLast) {
                there.get();
            }
            while (lost.isEmpty() && !there.isDone()) {
                Thread.sleep(1);
            }
            lost.clear();
        }
        assertWhole();
        assertTrue(connections > 5, connections + " connections");
    }

    @Test
    void otherServerTakesTheConnectionOver() throws Exception {
        try (PlainMemory other = new PlainMemory(1)) {
            // One of a guest without pages shows that the server runs.
            LateRam empty =
                    service.bring(
                            "empty",
                            other,
                            UserFaultFd.open(),
                            PresentPages.create("missing", 1),
                            PresentPages.create("present", 1));
            empty.awaitAll();
        }
        long first = service.pid();
        signal("STOP");
        FutureTask<PageSender.End> end = connect(NEVER, true);
        ram.running();
        FutureTask<Long> reader = reader(1000);
        System.gc();
        assertFalse(reader.isDone());
        signal("KILL");
        assertEquals(expected(1000), reader.get());
        running.get();
        assertEquals("", end.get().reason());
        assertNotEquals(first, service.pid());
        assertWhole();
    }

    private void signal(String signal) throws Exception {
        long pid = service.pid();
        // 0 would be this process, and all of its group.
        assertTrue(pid > 0);
        String _ = Tool.run("kill", "-" + signal, Long.toString(pid));
    }

    @Test
    void serversThatDieWhilePagesComeLoseNone() throws Exception {
        FutureTask<PageSender.End> end = connect(NEVER, true);
        ram.running();
        long dead = 0;
        for (int i = 0; i < 3; i++) {
            assertEquals(expected(PAGES - 1 - i * 500), reader(PAGES - 1 - i * 500).get());
            long pid = service.pid();
            while ((pid == 0 || pid == dead) && !there.isDone()) {
                // The dead one is still to be missed, or the next one to be started.
                Thread.sleep(1);
                pid = service.pid();
            }
            if (pid == 0 || pid == dead) {
                break;
            }
            assertTrue(ProcessHandle.of(pid).orElseThrow().destroyForcibly());
            dead = pid;
        }
        assertNotEquals(0, dead);
        assertEquals("", end.get().reason());
        assertWhole();
    }

    @Test
    void hostIsToldThatTheGuestHasEnded() throws Exception {
        signal("STOP");
        FutureTask<PageSender.End> end = connect(NEVER, true);
        FutureTask<Void> ending =
                new FutureTask<>(() -> {
                    memory.endGuest();
                    return null;
                });
        Thread.ofPlatform().daemon().start(ending);
        signal("CONT");
        ending.get();
        // It may have had all of its memory by then.
        assertTrue(end.get().reason().isEmpty() || end.get().reason().equals("it has ended"));
    }
}
