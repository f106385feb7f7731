package io.xenemu.kvm.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MemFdTest {
    private static final long PAGE = 4096;

    /// How smaps shows MADV_HUGEPAGE.
    private static final String HUGE_PAGE_ADVICE = "hg";

    @Test
    void twoMappingsShowTheSameBytes() {
        try (MemFd ram = MemFd.create("ram", 4 * PAGE)) {
            MemorySegment all = ram.map(0, 4 * PAGE);
            MemorySegment third = ram.map(2 * PAGE, PAGE);
            assertEquals(0, third.get(JAVA_LONG, 8));
            all.set(JAVA_LONG, 2 * PAGE + 8, 0x1234_5678_9abc_def0L);
            assertEquals(0x1234_5678_9abc_def0L, third.get(JAVA_LONG, 8));
        }
    }

    @Test
    void memoryIsFoundBetweenHoles() {
        try (MemFd ram = MemFd.create("ram", 8 * PAGE)) {
            assertEquals(8 * PAGE, ram.nextData(0));
            assertEquals(0, ram.nextHole(0));
            MemorySegment all = ram.map(0, 8 * PAGE);
            all.set(JAVA_LONG, 3 * PAGE, 1);
            all.set(JAVA_LONG, 4 * PAGE, 1);
            all.set(JAVA_LONG, 7 * PAGE, 1);
            assertEquals(3 * PAGE, ram.nextData(0));
            assertEquals(3 * PAGE + 5, ram.nextData(3 * PAGE + 5));
            assertEquals(5 * PAGE, ram.nextHole(3 * PAGE));
            assertEquals(7 * PAGE, ram.nextData(5 * PAGE));
            assertEquals(8 * PAGE, ram.nextHole(7 * PAGE));
            assertEquals(8 * PAGE, ram.nextData(8 * PAGE));
            assertThrows(IndexOutOfBoundsException.class, () -> ram.nextData(-1));
        }
    }

    @Test
    void overlayReplacesOnePageInPlaceAndCanBeUndone() {
        try (MemFd ram = MemFd.create("ram", 3 * PAGE);
                MemFd special = MemFd.create("special", 2 * PAGE)) {
            MemorySegment memory = ram.map(0, 3 * PAGE);
            MemorySegment page = special.map(PAGE, PAGE);
            for (long p = 0; p < 3; p++) {
                memory.set(JAVA_LONG, p * PAGE, 100 + p);
            }
            page.set(JAVA_LONG, 0, 42);

            special.mapFixed(PAGE, memory.asSlice(PAGE, PAGE));
            assertEquals(100, memory.get(JAVA_LONG, 0));
            assertEquals(42, memory.get(JAVA_LONG, PAGE));
            assertEquals(102, memory.get(JAVA_LONG, 2 * PAGE));
            memory.set(JAVA_LONG, PAGE, 43);
            assertEquals(43, page.get(JAVA_LONG, 0));

            ram.mapFixed(PAGE, memory.asSlice(PAGE, PAGE));
            assertEquals(101, memory.get(JAVA_LONG, PAGE));
            assertEquals(43, page.get(JAVA_LONG, 0));
        }
    }

    @Test
    void accessAfterCloseIsAnExceptionAndNotACrash() {
        MemFd ram = MemFd.create("ram", PAGE);
        MemorySegment memory = ram.map(0, PAGE);
        ram.close();
        ram.close();
        assertThrows(IllegalStateException.class, () -> memory.get(JAVA_LONG, 0));
        assertThrows(IllegalStateException.class, ram::fd);
    }

    @Test
    void sizeCannotBeChangedThroughTheDescriptor() throws IOException {
        try (MemFd ram = MemFd.create("ram", 2 * PAGE);
                FileChannel other =
                        FileChannel.open(
                                Path.of("/proc/self/fd/" + ram.fd()), StandardOpenOption.WRITE)) {
            assertThrows(IOException.class, () -> other.truncate(PAGE));
            assertEquals(2 * PAGE, other.size());
        }
    }

    @Test
    void rangesOutsideTheMemoryAreRefused() {
        try (MemFd ram = MemFd.create("ram", 2 * PAGE)) {
            assertThrows(IndexOutOfBoundsException.class, () -> ram.map(PAGE, 2 * PAGE));
            assertThrows(IndexOutOfBoundsException.class, () -> ram.map(0, 0));
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> ram.map(Long.MAX_VALUE - PAGE + 1, PAGE));
            assertThrows(IllegalArgumentException.class, () -> ram.map(1, PAGE));
            assertThrows(IllegalArgumentException.class, () -> ram.map(0, PAGE - 1));
            assertThrows(IllegalArgumentException.class, () -> MemFd.create("none", 0));
            assertThrows(IllegalArgumentException.class, () -> MemFd.create("odd", 4095));
        }
    }

    @Test
    void overlayOnSomethingThatIsNotALiveMappingIsRefused() {
        try (MemFd special = MemFd.create("special", PAGE)) {
            MemorySegment heap = MemorySegment.ofArray(new long[512]);
            assertThrows(IllegalArgumentException.class, () -> special.mapFixed(0, heap));
            MemorySegment closed;
            try (Arena arena = Arena.ofConfined()) {
                closed = arena.allocate(PAGE, PAGE);
            }
            assertThrows(IllegalArgumentException.class, () -> special.mapFixed(0, closed));
        }
    }

    @Test
    void refusalByTheHostNamesCallAndErrno() {
        KvmException e =
                assertThrows(KvmException.class, () -> MemFd.create("x".repeat(250), PAGE).close());
        assertEquals("memfd_create", e.call());
        assertEquals(Errno.EINVAL, e.errno());
        assertNotEquals(-1, String.valueOf(e.getMessage()).indexOf("EINVAL (22)"));
    }

    @Test
    void coreDumpsDoNotContainGuestMemory() throws IOException {
        try (MemFd ram = MemFd.create("ram", PAGE)) {
            assertEquals(PAGE, ram.size());
            String filter = Files.readString(Path.of("/proc/self/coredump_filter")).strip();
            // core(5): bit 1 is for anonymous shared mappings, as which memfds count.
            assertEquals(0, Integer.parseInt(filter, 16) & 2);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void pagesThatAreMappedBackTakeNoFurtherMappings(boolean asksForHugePages) throws IOException {
        long pages = 64;
        try (MemFd ram = MemFd.create("covered", pages * PAGE, asksForHugePages);
                MemFd other = MemFd.create("other", PAGE)) {
            MemorySegment view = ram.map(0, pages * PAGE);
            for (long at = 0; at < pages * PAGE; at += 2 * PAGE) {
                other.mapFixed(0, view.asSlice(at, PAGE), true);
            }
            assertEquals(pages / 2, mappingsOf("other"));
            for (long at = 0; at < pages * PAGE; at += 2 * PAGE) {
                ram.mapBack(at, view.asSlice(at, PAGE), false);
            }
            assertEquals(1, mappingsOf("covered"));
            assertEquals(0, mappingsOf("other"));
        }
    }

    @Test
    void onlyLargeMemoryAsksForHugePages() throws IOException {
        try (MemFd small = MemFd.create("small", PAGE);
                MemFd asking = MemFd.create("asking", PAGE, true)) {
            assertEquals(1, small.map(0, PAGE).byteSize() / PAGE);
            assertEquals(1, asking.map(0, PAGE).byteSize() / PAGE);
            assertFalse(flagsOf("small").contains(HUGE_PAGE_ADVICE));
            assertTrue(flagsOf("asking").contains(HUGE_PAGE_ADVICE));
        }
    }

    /// The VmFlags of a mapping: proc_pid_smaps(5).
    private static List<String> flagsOf(String name) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/smaps"))) {
            return lines.dropWhile(line -> !line.contains("/memfd:" + name + " "))
                    .filter(line -> line.startsWith("VmFlags:"))
                    .map(line -> List.of(line.split(" ")))
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static long mappingsOf(String name) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains("/memfd:" + name + " ")).count();
        }
    }
}
