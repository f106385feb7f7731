package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Eventually;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class StdioConsoleTest {
    private static final byte[] TEXT = "some text".getBytes(StandardCharsets.US_ASCII);

    @Test
    void closeWritesOutTheGuestsOutput() {
        var out = new ByteArrayOutputStream();
        var console = new StdioConsole("t", new ByteArrayInputStream(new byte[0]), out);
        console.output().offer(TEXT, 0, TEXT.length);
        console.close();
        assertEquals("some text", out.toString(StandardCharsets.US_ASCII));
    }

    @Test
    void typedBytesReachTheDeviceThatIsAttached() throws InterruptedException {
        var console =
                new StdioConsole(
                        "t", new ByteArrayInputStream(TEXT), OutputStream.nullOutputStream());
        var got = new ByteArrayOutputStream();
        var done = new CountDownLatch(1);
        console.attach(() -> {
            synchronized (got) {
                var bytes = new byte[4];
                for (int n = 1; n > 0; ) {
                    n = console.input().poll(bytes, 0, bytes.length);
                    got.write(bytes, 0, n);
                }
                if (got.size() == TEXT.length) {
                    done.countDown();
                }
            }
        });
        done.await();
        console.close();
        assertEquals("some text", got.toString(StandardCharsets.US_ASCII));
    }

    @Test
    void closeWaitsForASlowReader() throws InterruptedException {
        var reads = new CountDownLatch(1);
        var got = new ByteArrayOutputStream();
        var console =
                new StdioConsole(
                        "t", new ByteArrayInputStream(new byte[0]), new SlowReader(reads, got));
        fill(console);
        var closer = Thread.ofPlatform().start(console::close);
        assertFalse(closer.join(Duration.ofMillis(300)));
        reads.countDown();
        closer.join();
        assertEquals(2 * StdioConsole.OUTPUT_BYTES, got.size());
    }

    @Test
    void hurriedConsoleDoesNotWaitForRoom() throws InterruptedException {
        var console =
                new StdioConsole(
                        "t",
                        new ByteArrayInputStream(new byte[0]),
                        new SlowReader(new CountDownLatch(1), new ByteArrayOutputStream()));
        fill(console);
        var waiter = Thread.ofPlatform().start(() -> assertFalse(console.awaitRoom()));
        assertFalse(waiter.join(Duration.ofMillis(100)));
        console.hurry();
        waiter.join();
        assertFalse(console.awaitRoom());
    }

    private static void offer(StdioConsole console, byte[] bytes) {
        var taken = new AtomicInteger();
        Eventually.holds(
                "the console takes all",
                () -> {
                    int at = taken.get();
                    return taken.addAndGet(console.output().offer(bytes, at, bytes.length - at))
                            == bytes.length;
                });
    }

    /// One piece that is being written, and a full pipe behind it.
    private static void fill(StdioConsole console) throws InterruptedException {
        var piece = new byte[StdioConsole.OUTPUT_BYTES];
        console.output().offer(piece, 0, piece.length);
        assertTrue(console.awaitRoom());
        offer(console, piece);
    }

    /// Reads nothing before it is told to.
    private static final class SlowReader extends OutputStream {
        private final CountDownLatch reads;
        private final ByteArrayOutputStream got;

        SlowReader(CountDownLatch reads, ByteArrayOutputStream got) {
            this.reads = reads;
            this.got = got;
        }

        @Override
        public void write(int b) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            try {
                reads.await();
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
            got.write(bytes, offset, length);
        }
    }

    @Test
    void brokenStreamDoesNotStopTheGuestsPrinting() throws InterruptedException {
        var broken =
                new OutputStream() {
                    @Override
                    public void write(int b) throws IOException {
                        throw new IOException("broken pipe");
                    }
                };
        var console = new StdioConsole("t", new ByteArrayInputStream(new byte[0]), broken);
        var room = new CountDownLatch(1);
        console.attach(room::countDown);
        var much = new byte[2 * StdioConsole.OUTPUT_BYTES];
        offer(console, much);
        room.await();
        console.close();
    }
}
