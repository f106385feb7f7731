package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConsoleRingTest {
    private final Arena arena = Arena.ofConfined();
    private final GuestConsole ring = new GuestConsole(arena, 0);
    private final BytePipe output = new BytePipe(100);
    private final BytePipe input = new BytePipe(4096);
    private final AtomicInteger events = new AtomicInteger();
    private final ConsoleRing console =
            new ConsoleRing(ring.page, output, input, events::incrementAndGet);

    @AfterEach
    void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private String printed() {
        var bytes = new byte[4096];
        int count = output.poll(bytes, 0, bytes.length);
        return new String(bytes, 0, count, StandardCharsets.US_ASCII);
    }

    @Test
    void outputReachesTheSinkAndTheGuestIsNotified() {
        ring.print(ascii("hello"), 0, 5);
        console.service();
        assertEquals("hello", printed());
        assertEquals(5, ring.get(GuestConsole.OUT_CONS));
        assertEquals(1, events.get());
    }

    /// `connection` of the page: the first console too is told that it is served.
    @Test
    void guestSeesThatItsRingIsServed() {
        ring.page.set(ValueLayout.JAVA_BYTE, GuestConsole.CONNECTION, (byte) 1);
        ConsoleRing attached = new ConsoleRing(ring.page, output, input, events::incrementAndGet);
        assertEquals(0, ring.page.get(ValueLayout.JAVA_BYTE, GuestConsole.CONNECTION));
        assertFalse(attached.isBroken());
    }

    @Test
    void heldConsoleMovesNothingAndCatchesUp() throws InterruptedException {
        console.hold();
        ring.print(ascii("hello"), 0, 5);
        input.put(ascii("abc"), 0, 3);
        console.service();
        assertEquals("", printed());
        assertEquals(0, ring.get(GuestConsole.IN_PROD));
        assertEquals(0, events.get());
        assertTrue(console.hasOutput());

        console.release();

        assertEquals("hello", printed());
        assertEquals(3, ring.get(GuestConsole.IN_PROD));
        assertEquals(1, events.get());
    }

    @Test
    void guestIsNotNotifiedIfNothingMoved() {
        console.service();
        assertEquals(0, events.get());
    }

    @Test
    void sinkThatIsFullLeavesTheRestInTheRing() {
        byte[] text = ascii("0123456789".repeat(15));
        ring.print(text, 0, 150);
        console.service();
        assertEquals(100, ring.get(GuestConsole.OUT_CONS));
        String first = printed();
        console.service();
        assertEquals("0123456789".repeat(15), first + printed());
        assertEquals(150, ring.get(GuestConsole.OUT_CONS));
    }

    @Test
    void sinkThatDrainsAsksForMore() throws InterruptedException {
        output.onRoom(console::service);
        ring.print(ascii("x".repeat(150)), 0, 150);
        console.service();
        output.take(new byte[100]);
        assertEquals(150, ring.get(GuestConsole.OUT_CONS));
        assertEquals(50, printed().length());
    }

    @Test
    void inputFillsTheRingAndTheRestWaits() throws InterruptedException {
        input.put(new byte[1500], 0, 1500);
        console.service();
        assertEquals(1024, ring.get(GuestConsole.IN_PROD));
        console.service();
        assertEquals(1, events.get());
        assertEquals(1000, ring.read(new byte[1000], 0, 1000));
        console.service();
        assertEquals(1500, ring.get(GuestConsole.IN_PROD));
    }

    @Test
    void closedConsoleLeavesItsPageAlone() {
        ring.print(ascii("late"), 0, 4);
        console.close();
        arena.close();

        console.service();

        assertEquals(0, events.get());
        assertEquals("", printed());
    }

    @ParameterizedTest
    @CsvSource({"0xc0c,2049", "0xc0c,-1", "0xc0c,0x80000000", "0xc00,1", "0xc00,-1025"})
    void impossibleIndexBreaksTheConsoleAndNothingElse(String index, String value) {
        ring.set(Integer.decode(index), Long.decode(value).intValue());
        console.service();
        assertTrue(console.isBroken());
        ring.set(Integer.decode(index), 0);
        ring.print(ascii("late"), 0, 4);
        console.service();
        assertEquals("", printed());
        assertEquals(0, events.get());
    }

    @Test
    void guestThatRewritesOurIndicesIsIgnored() {
        ring.print(ascii("ab"), 0, 2);
        console.service();
        ring.set(GuestConsole.OUT_CONS, 77);
        ring.set(GuestConsole.IN_PROD, 77);
        ring.set(GuestConsole.OUT_PROD, 3);
        console.service();
        assertEquals(3, printed().length());
        assertEquals(3, ring.get(GuestConsole.OUT_CONS));
        assertFalse(console.isBroken());
    }

    @Test
    void pageOfAnotherSizeIsABug() {
        MemorySegment half = ring.page.asSlice(0, 2048);
        assertThrows(
                IllegalArgumentException.class,
                () -> new ConsoleRing(half, output, input, () -> {}));
    }
}
