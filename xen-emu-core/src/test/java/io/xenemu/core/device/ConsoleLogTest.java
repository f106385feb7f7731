package io.xenemu.core.device;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class ConsoleLogTest {
    private final ConsoleLog log = new ConsoleLog();

    private void print(String text) {
        byte[] bytes = text.getBytes(US_ASCII);
        assertEquals(bytes.length, log.output().offer(bytes, 0, bytes.length));
    }

    private static String take(ConsoleLog.Reader reader) throws InterruptedException {
        byte[] bytes = new byte[ConsoleLog.KEPT_BYTES];
        return new String(bytes, 0, reader.take(bytes), US_ASCII);
    }

    @Test
    void everyReaderGetsAll() throws InterruptedException {
        ConsoleLog.Reader first = log.reader();
        print("one");
        assertEquals("one", take(first));
        print(" two");

        assertEquals(" two", take(first));
        assertEquals("one two", take(log.reader()));
    }

    @Test
    void readerWaitsForTheGuest() throws Exception {
        ConsoleLog.Reader reader = log.reader();
        FutureTask<String> reading = new FutureTask<>(() -> take(reader));
        Thread.ofPlatform().start(reading);
        print("late");

        assertEquals("late", reading.get());
    }

    @Test
    void endWaitsForReadersThatHaveNotReadAll() throws Exception {
        ConsoleLog.Reader reader = log.reader();
        print("last words");
        log.close();
        log.awaitReaders(Duration.ofMillis(1)); // gives up
        FutureTask<String> reading =
                new FutureTask<>(() -> {
                    try (reader) {
                        return take(reader) + take(reader);
                    }
                });
        Thread.ofPlatform().start(reading);
        log.awaitReaders(Duration.ofMinutes(1));
        assertEquals("last words", reading.get());
    }

    @Test
    void slowReaderGetsTheBytesThatAreKept() throws InterruptedException {
        ConsoleLog.Reader slow = log.reader();
        print("x".repeat(ConsoleLog.KEPT_BYTES));
        print("end");

        assertEquals("x".repeat(ConsoleLog.KEPT_BYTES - 3) + "end", take(slow));
    }

    @Test
    void endOfTheGuestEndsReadersAfterTheRest() throws InterruptedException {
        ConsoleLog.Reader reader = log.reader();
        print("last words");
        log.close();

        assertEquals("last words", take(reader));
        assertEquals("", take(reader));
        assertFalse(log.type(new byte[] {'x'}, 1));
    }

    @Test
    void inputGoesToTheAttachedDevice() throws InterruptedException {
        AtomicInteger calls = new AtomicInteger();
        log.attach(calls::incrementAndGet);
        assertTrue(log.type("ls".getBytes(US_ASCII), 2));
        assertEquals(2, calls.get());

        byte[] typed = new byte[8];
        assertEquals(2, log.input().poll(typed, 0, typed.length));
        assertEquals("ls", new String(typed, 0, 2, US_ASCII));
    }

    @Test
    void bytesThatAGuestDoesNotTakeAreLostAndNoWriterWaitsForEver() throws InterruptedException {
        ConsoleLog hasty = new ConsoleLog(Duration.ofMillis(50));
        byte[] pasted = new byte[5000];
        assertTrue(hasty.type(pasted, pasted.length));
        assertTrue(hasty.type(pasted, pasted.length));
        byte[] taken = new byte[2 * pasted.length];
        assertEquals(4096, hasty.input().poll(taken, 0, taken.length));
        assertTrue(hasty.type(pasted, 1));
        assertEquals(1, hasty.input().poll(taken, 0, taken.length));
        hasty.close();
        assertFalse(hasty.type(pasted, 1));
    }
}
