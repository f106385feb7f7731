package io.xenemu.core.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.xenemu.core.domain.OverlaidGuest;
import io.xenemu.core.migration.RamSource;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Memory that comes from a file by a real page server, which is a process.
@Timeout(300)
class PageServiceTest {
    /// Frames of RAM with content.
    private static final long FIRST = 0x100;

    private static final int COUNT = 1000;

    private final OverlaidGuest saved;
    private final OverlaidGuest guest;
    private final PageService service = new PageService();
    @TempDir private Path folder = Path.of("");
    private Path file = Path.of("");
    private @Nullable SavedMemory image;

    PageServiceTest() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        saved = new OverlaidGuest();
        guest = new OverlaidGuest();
    }

    @BeforeEach
    void save() throws Exception {
        file = folder.resolve("saved");
        for (int i = 0; i < COUNT; i++) {
            saved.setWord(FIRST + i, i + 1);
        }
        image = SavedMemory.write(file, RamSource.of(saved.memory));
    }

    @AfterEach
    void close() {
        guest.close();
        saved.close();
        service.close();
    }

    private LateRam bring(OverlaidGuest into) throws IOException {
        return Objects.requireNonNull(image).bring(service, into.memory, false);
    }

    private void signal(String signal) throws Exception {
        String _ = Tool.run("kill", "-" + signal, Long.toString(service.pid()));
    }

    /// A server that runs, and does nothing.
    private void stoppedServer() throws Exception {
        try (OverlaidGuest other = new OverlaidGuest()) {
            bring(other).awaitAll();
        }
        signal("STOP");
        LateRam _ = bring(guest);
    }

    private FutureTask<Integer> reader(long gfn) {
        FutureTask<Integer> task = new FutureTask<>(() -> guest.word(gfn));
        Thread.ofPlatform().name("reader").daemon().start(task);
        return task;
    }

    private static void assertWaits(FutureTask<Integer> reader) throws Exception {
        if (reader.isDone()) {
            fail("it has read " + reader.get());
        }
    }

    @Test
    void memoryComesAndIsThatOfTheFile() throws Exception {
        LateRam ram = bring(guest);

        assertEquals(COUNT, guest.word(FIRST + COUNT - 1));
        assertEquals(COUNT, guest.seen(FIRST + COUNT - 1));
        assertEquals(0, guest.word(FIRST + COUNT));
        guest.setWord(FIRST + 7, -1);
        assertEquals(-1, guest.seen(FIRST + 7));

        ram.awaitAll();
        guest.setWord(FIRST + 7, 8);
        assertEquals(-1, saved.memory.ram().mismatch(guest.memory.ram()));
        guest.setWord(FIRST + COUNT + 300, 3);
        assertEquals(3, guest.seen(FIRST + COUNT + 300));
    }

    @Test
    void waitingThreadHoldsNothingUpAndAnotherServerTakesOver() throws Exception {
        stoppedServer();
        long first = service.pid();
        FutureTask<Integer> reader = reader(FIRST + 10);
        FutureTask<Integer> zero = reader(FIRST + COUNT + 10);
        // It waits for all Java threads; those in native code do not count.
        System.gc();
        assertWaits(reader);
        assertWaits(zero);

        signal("KILL");

        assertEquals(11, reader.get());
        assertEquals(0, zero.get());
        assertNotEquals(first, service.pid());
        guest.memory.awaitAll();
        assertEquals(-1, saved.memory.ram().mismatch(guest.memory.ram()));
    }

    @Test
    void pagesThatAreGivenUpOrCoveredBeforeTheyHaveComeAreZeroLater() throws Exception {
        LateRam ram = bring(guest);
        assertTrue(guest.physmap.decrease(FIRST + 300, 2));
        guest.overlay(3, FIRST + 400);
        assertEquals(OverlaidGuest.tag(3), guest.word(FIRST + 400));
        guest.physmap.hide(3);
        assertEquals(0, guest.seen(FIRST + 400));
        assertTrue(guest.physmap.populate(FIRST + 300, 1));
        assertEquals(0, guest.seen(FIRST + 300));
        guest.setWord(FIRST + 300, 5);
        ram.awaitAll();
        long givenUp = (FIRST + 301) * 4096;
        assertEquals(givenUp, guest.memory.ramFile().nextHole(givenUp));
        assertEquals(5, guest.word(FIRST + 300));
        assertEquals(400, guest.word(FIRST + 399));
    }

    @Test
    void damagedFileLosesTheMemoryAndNobodyReadsZeros() throws Exception {
        stoppedServer();
        CompletableFuture<String> lost = new CompletableFuture<>();
        try (OverlaidGuest other = new OverlaidGuest()) {
            LateRam ram = bring(other);
            ram.whenLost(lost::complete);
            FutureTask<Integer> reader = new FutureTask<>(() -> other.word(FIRST));
            Thread.ofPlatform().name("reader").daemon().start(reader);
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(Objects.requireNonNull(image).start() + 100);
            }
            signal("CONT");
            assertEquals("the saved guest is cut off", lost.get());
            Throwable failure = assertThrows(ExecutionException.class, reader::get);
            assertEquals(KvmException.class, Objects.requireNonNull(failure.getCause()).getClass());
            assertEquals(
                    "userfaultfd: EIO (5): the memory of web is lost: the saved guest is cut off",
                    assertThrows(KvmException.class, other.memory::awaitAll).getMessage());
            assertThrows(KvmException.class, () -> other.setWord(FIRST, 1));
        }
    }

    @Test
    void guestCanEndBeforeItsMemoryHasCome() throws Exception {
        for (int i = 0; i < 10; i++) {
            OverlaidGuest other = new OverlaidGuest();
            LateRam _ = bring(other);
            other.close();
        }
        LateRam _ = bring(guest);
        assertEquals(1, guest.word(FIRST));
    }

    @Test
    void serverThatDoesNotStartIsToldInOneLine() throws Exception {
        try (PageService broken =
                new PageService(List.of("/bin/sh", "-c", "echo it is broken; exit 3"))) {
            IOException e =
                    assertThrows(
                            IOException.class,
                            () -> Objects.requireNonNull(image).bring(broken, guest.memory, false));
            assertEquals("the page server does not start: it is broken", e.getMessage());
        }
        guest.memory.endGuest();
    }
}
