package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// What a destination says while nobody listens.
final class BackChannelTest {
    private static final Duration LONG = Duration.ofMinutes(1);

    /// More than a source keeps, and less than would fill its memory.
    private static final int FLOOD = 10_000;

    /// A destination that says one thing again and again, until the connection is closed.
    private static final class Talker implements ByteChannel {
        private final ByteBuffer message;
        private final int times;
        private final AtomicInteger said = new AtomicInteger();
        private volatile boolean closed;

        Talker(MigrationMessage message, int times) throws IOException {
            this.times = times;
            ByteBuffer written = ByteBuffer.allocate(1 << 12);
            new MigrationLink(new Talker(written)).send(message);
            this.message = written.flip();
        }

        private Talker(ByteBuffer written) {
            message = written;
            times = 0;
        }

        @Override
        public int read(ByteBuffer into) {
            if (!message.hasRemaining() && said.incrementAndGet() < times) {
                message.rewind();
            }
            if (closed || !message.hasRemaining()) {
                return -1;
            }
            int count = Math.min(into.remaining(), message.remaining());
            into.put(message.slice(message.position(), count));
            message.position(message.position() + count);
            return count;
        }

        @Override
        public int write(ByteBuffer bytes) {
            int count = bytes.remaining();
            message.put(bytes);
            return count;
        }

        @Override
        public boolean isOpen() {
            return !closed;
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    @Test
    void floodEndsTheConnection() throws Exception {
        Talker talker = new Talker(new MigrationMessage.Stored(1), FLOOD);
        BackChannel back = BackChannel.of(new MigrationLink(talker), false);
        Eventually.holds("it is closed", () -> !talker.isOpen());
        assertTrue(talker.said.get() < FLOOD / 10, talker.said::toString);
        MigrationMessage message = back.next(LONG);
        while (message.equals(new MigrationMessage.Stored(1))) {
            message = back.next(LONG);
        }
        assertEquals(new MigrationMessage.Refuse("it says more than it was asked for"), message);
    }

    @Test
    void messageOfASourceEndsTheConnection() throws Exception {
        for (MigrationMessage message :
                List.of(new MigrationMessage.Go(), new MigrationMessage.Recover(new UUID(1, 2)))) {
            Talker talker = new Talker(message, 1);
            BackChannel back = BackChannel.of(new MigrationLink(talker), false);
            assertEquals(
                    new MigrationMessage.Refuse("it says what only a source says"),
                    back.next(LONG));
            Eventually.holds("it is closed", () -> !talker.isOpen());
        }
    }

    @Test
    void whatCameBeforeTheEndIsHeard() throws Exception {
        BackChannel back =
                BackChannel.of(
                        new MigrationLink(new Talker(new MigrationMessage.Stored(7), 3)), false);
        for (int i = 0; i < 3; i++) {
            assertEquals(new MigrationMessage.Stored(7), back.next(LONG));
        }
        assertThrows(IOException.class, () -> back.next(LONG));
        assertThrows(IOException.class, () -> back.next(LONG));
    }
}
