package io.xenemu.core.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Tool;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Guests that share the pages of one file, with a real page server.
@Timeout(300)
class SharedPagesTest {
    private static final int PAGES = 3000;
    private static final int COUNT = 2000;

    private final PageService service = new PageService();
    @TempDir private Path folder = Path.of("");
    private SavedMemory saved;

    SharedPagesTest() {
        LatePagesNeeds.rightToUseUserfaultfd();
    }

    @BeforeEach
    void save() throws Exception {
        saved = SavedMemory.write(folder.resolve("saved"), PAGES, COUNT);
    }

    @AfterEach
    void close() {
        service.close();
    }

    private static long word(PlainMemory memory, long page) {
        memory.await(page);
        return memory.all().get(ValueLayout.JAVA_LONG, page * 4096);
    }

    @Test
    void guestHasMemoryForThePagesThatItTouchesAndTheirNeighbours() throws Exception {
        try (PlainMemory first = new PlainMemory(PAGES);
                PlainMemory second = new PlainMemory(PAGES)) {
            saved.bring(service, first, true);
            saved.bring(service, second, true);
            assertEquals(8, word(first, 7));
            assertEquals(1001, word(first, 1000));
            assertEquals(0, word(first, 2500));
            assertEquals(8, word(second, 7));
            first.all().set(ValueLayout.JAVA_LONG, 7 * 4096, -1);
            assertEquals(8, word(second, 7));
            // Pages 0 to 15, 992 to 1007, and one that the file does not have.
            assertEquals(2 * 16 + 1, first.pagesWithMemory());
            assertEquals(16, second.pagesWithMemory());

            String _ = Tool.run("kill", "-KILL", Long.toString(service.pid()));
            assertEquals(1500, word(second, 1499));
            assertEquals(2 * 16, second.pagesWithMemory());

            first.awaitAll();
            assertEquals(COUNT + 1, first.pagesWithMemory());
            assertEquals(-1, word(first, 7));
            assertEquals(COUNT, word(first, COUNT - 1));
            assertEquals(2 * 16, second.pagesWithMemory());
        }
    }

    @Test
    void pagesAreReadAgainForAGuestAfterTheLastOneHasGone() throws Exception {
        for (int i = 0; i < 3; i++) {
            try (PlainMemory memory = new PlainMemory(PAGES)) {
                saved.bring(service, memory, true);
                assertEquals(1, word(memory, 0));
                MemorySegment all = memory.all();
                memory.awaitAll();
                assertEquals(COUNT, all.get(ValueLayout.JAVA_LONG, (COUNT - 1) * 4096L));
            }
        }
        assertTrue(service.pid() > 0);
    }
}
