package io.xenemu.core.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.TestJvm;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Processes that share a guest's memory while a real page server brings it.
@Timeout(300)
class SharingProcessTest {
    private static final int PAGES = 3000;
    private static final int COUNT = 2000;

    private PageService service = new PageService();
    private final PlainMemory memory = new PlainMemory(PAGES);
    private final List<AutoCloseable> toClose = new ArrayList<>();
    @TempDir private Path folder = Path.of("");
    private SavedMemory saved;

    SharingProcessTest() {
        LatePagesNeeds.rightToUseUserfaultfd();
    }

    @BeforeEach
    void save() throws Exception {
        saved = SavedMemory.write(folder.resolve("saved"), PAGES, COUNT);
    }

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable one : toClose) {
            one.close();
        }
        memory.close();
        service.close();
    }

    /// What every process has to find: each page has its number and one in the first word.
    private static long expected() {
        long sum = 0;
        for (long page = 0; page < COUNT; page++) {
            sum += (page + 1) * (2 * page + 1);
        }
        return sum;
    }

    private long hash() {
        long sum = 0;
        for (long page = 0; page < PAGES; page++) {
            memory.await(page);
            sum += PageClient.hash(memory.all(), page);
        }
        return sum;
    }

    private ClientProcess client(String name, List<String> command, LateRam ram) throws Exception {
        ClientProcess client = ClientProcess.start(name, command, folder, memory, ram);
        toClose.add(client);
        return client;
    }

    private void signal(String signal) throws Exception {
        long pid = service.pid();
        // 0 would be this process, and all of its group.
        assertTrue(pid > 0);
        String _ = Tool.run("kill", "-" + signal, Long.toString(pid));
    }

    @Test
    void deathOrHangOrLeaveOfOneProcessIsNothingToTheOthers() throws Exception {
        LateRam ram = saved.bring(service, memory, true);
        List<String> inC = ClientProcess.inC(folder);
        ClientProcess killed = client("killed", inC, ram);
        ClientProcess hung = client("hung", ClientProcess.inJava(), ram);
        ClientProcess leaving = client("leaving", inC, ram);
        // All of them ask, and nobody answers yet.
        signal("STOP");
        killed.read();
        hung.read();
        leaving.read();
        FutureTask<Long> own = new FutureTask<>(this::hash);
        Thread.ofPlatform().daemon().start(own);
        hung.signal("STOP");
        killed.signal("KILL");
        leaving.unshare();
        signal("CONT");

        assertEquals("it has ended", killed.failed().get());
        assertEquals(expected(), own.get());
        assertFalse(hung.failed().isDone() || leaving.failed().isDone());

        leaving.shareAgain(ram);
        assertEquals(expected(), leaving.hash());
        hung.signal("CONT");
        assertEquals(expected(), hung.hash());

        ram.awaitAll();
        leaving.read();
        assertEquals(expected(), leaving.hash());
        // There is nobody to wait for any more.
        ClientProcess late = client("late", inC, ram);
        late.read();
        assertEquals(expected(), late.hash());
    }

    @Test
    void deathOfTheServerMeansToWaitInAllProcesses() throws Exception {
        LateRam ram = saved.bring(service, memory, true);
        ClientProcess first = client("first", ClientProcess.inC(folder), ram);
        ClientProcess second = client("second", ClientProcess.inJava(), ram);
        for (int round = 0; round < 2; round++) {
            signal("STOP");
            first.read();
            second.read();
            signal("KILL");
            assertEquals(expected(), first.hash());
            assertEquals(expected(), second.hash());
        }
        ram.awaitAll();
        assertEquals(expected(), hash());
    }

    @Test
    void collectionsOfGarbageGoOnWhilePagesAreHalfASecondAway() throws Exception {
        service.close();
        service = new PageService(TestJvm.command(SlowPageServer.class));
        LateRam ram = saved.bring(service, memory, false);
        ClientProcess other = client("other", ClientProcess.inC(folder), ram);
        other.read();
        FutureTask<Long> own = new FutureTask<>(this::hash);
        Thread.ofPlatform().daemon().start(own);
        int collections = 0;
        while (!own.isDone()) {
            // Waits for all Java threads. One that waited for a page itself would hold it up.
            System.gc();
            collections++;
        }
        assertTrue(collections > 0);
        assertEquals(expected(), own.get());
        assertEquals(expected(), other.hash());
    }

    /// Another mapping in this process, as one of another process would be.
    private record View(MemorySegment all, UserFaultFd faults, MessageSocket kept, HostFile other)
            implements AutoCloseable {
        FutureTask<Long> reader(long page) {
            FutureTask<Long> task =
                    new FutureTask<>(() -> {
                        UserFaultFd.populate(all.address() + page * 4096, 8);
                        return all.get(ValueLayout.JAVA_LONG, page * 4096);
                    });
            Thread.ofPlatform().daemon().start(task);
            return task;
        }

        MappedRam mapped(int pages) {
            return new MappedRam(all.address(), pages, 0);
        }

        @Override
        public void close() {
            kept.close();
        }
    }

    private View view(String name) throws IOException {
        Path socket = folder.resolve(name);
        try (MessageSocket.Listener listener =
                MessageSocket.Listener.bind(socket, Duration.ofSeconds(60))) {
            MessageSocket given = MessageSocket.connect(socket);
            MessageSocket kept = Objects.requireNonNull(listener.accept());
            UserFaultFd faults = UserFaultFd.open();
            MemorySegment all = memory.map();
            faults.register(all);
            View view = new View(all, faults, kept, HostFile.received(given.fd()));
            toClose.add(view);
            return view;
        }
    }

    /// Shares the memory with a process that has only this mapping of it.
    ///
    /// @return why it is not served any more
    private CompletableFuture<String> share(
            LateRam ram, String name, UserFaultFd faults, HostFile connection, MappedRam mapping)
            throws IOException {
        SharingProcess sharing = ram.share(name, faults, connection, List.of(mapping));
        toClose.add(sharing);
        CompletableFuture<String> failed = new CompletableFuture<>();
        sharing.whenFailed(failed::complete);
        return failed;
    }

    @Test
    void processThatFailsIsNamedAndIsTheOnlyOne() throws Exception {
        LateRam ram = saved.bring(service, memory, true);
        View good = view("good");
        toClose.add(
                ram.share(
                        "good",
                        good.faults(),
                        good.other(),
                        List.of(
                                new MappedRam(good.all().address() + 1000 * 4096, 2000, 1000),
                                new MappedRam(good.all().address(), 1000, 0))));
        View wrong = view("wrong");
        CompletableFuture<String> elsewhere =
                share(ram, "wrong", wrong.faults(), wrong.other(), wrong.mapped(10));
        assertEquals(6, wrong.reader(5).get());
        FutureTask<Long> _ = wrong.reader(20);
        assertEquals("a thread waits at an address that is not its memory", elsewhere.get());

        View broken = view("broken");
        UserFaultFd none = UserFaultFd.received(EventFd.create().fd());
        assertEquals(
                "userfaultfd: ENOTTY",
                share(ram, "broken", none, broken.other(), broken.mapped(PAGES)).get());
        View unwatched = view("unwatched");
        HostFile plain = HostFile.open(saved.file(), Set.of());
        assertEquals(
                "its descriptors: epoll_ctl: EPERM (1)",
                share(ram, "unwatched", unwatched.faults(), plain, unwatched.mapped(PAGES)).get());
        View gone = view("gone");
        CompletableFuture<String> ended =
                share(ram, "gone", gone.faults(), gone.other(), gone.mapped(PAGES));
        gone.kept().close();
        assertEquals("it has ended", ended.get());

        assertEquals(1501, good.reader(1500).get());
        assertEquals(8, good.reader(7).get());
        assertEquals(0, good.reader(COUNT + 1).get());
        ram.awaitAll();
        assertEquals(expected(), hash());
    }

    @Test
    void processesOfAGuestThatEndsAreTold() throws Exception {
        LateRam ram = saved.bring(service, memory, true);
        View view = view("view");
        CompletableFuture<String> failed =
                share(ram, "view", view.faults(), view.other(), view.mapped(PAGES));
        memory.endGuest();
        assertEquals("the guest has ended", failed.get());
    }

    @Test
    void processesOfAMemoryThatIsLostWaitAndAreTold() throws Exception {
        LateRam ram = saved.bring(service, memory, true);
        try (FileChannel channel = FileChannel.open(saved.file(), StandardOpenOption.WRITE)) {
            channel.truncate(saved.start() + 100);
        }
        View view = view("view");
        CompletableFuture<String> failed =
                share(ram, "view", view.faults(), view.other(), view.mapped(PAGES));
        FutureTask<Long> reader = view.reader(COUNT - 1);
        assertEquals("the saved guest is cut off", failed.get());
        assertFalse(reader.isDone());
        View late = view("late");
        assertEquals(
                "its memory is lost",
                assertThrows(
                                IOException.class,
                                () ->
                                        share(
                                                ram,
                                                "late",
                                                late.faults(),
                                                late.other(),
                                                late.mapped(PAGES)))
                        .getMessage());
    }
}
