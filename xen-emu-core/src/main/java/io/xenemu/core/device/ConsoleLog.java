package io.xenemu.core.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.time.Duration;

/// The host's end of the console of a guest in the background: keeps what was printed last, whether somebody reads or not,
/// so that a guest never waits for a reader. Any number of readers may come and go. Who falls behind by more than is kept
/// misses what is between, as with Xen's xenconsoled.
public final class ConsoleLog implements HostConsole {
    /// What is kept, in bytes.
    public static final int KEPT_BYTES = 64 << 10;

    /// What may be typed ahead of a slow guest, in bytes.
    private static final int INPUT_BYTES = 4 << 10;

    /// How long a guest may take nothing of what was typed before the rest is lost.
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private final BytePipe input = new BytePipe(INPUT_BYTES);
    private final Duration patience;

    @GuardedBy("this")
    private final byte[] kept = new byte[KEPT_BYTES];

    /// How much was printed ever.
    @GuardedBy("this")
    private long end;

    @GuardedBy("this")
    private boolean closed;

    /// Nothing has been printed yet.
    public ConsoleLog() {
        this(PATIENCE);
    }

    /// @param patience with a guest that takes nothing of what was typed
    ConsoleLog(Duration patience) {
        this.patience = patience;
    }

    /// A reader that begins with what is kept.
    public final class Reader {
        @GuardedBy("ConsoleLog.this")
        private long next;

        private Reader() {}

        /// Takes what was printed since, and waits for it if there is nothing.
        ///
        /// @return how many bytes, which stand at the start of `bytes`; 0 when the guest has gone and nothing is left
        public int take(byte[] bytes) throws InterruptedException {
            synchronized (ConsoleLog.this) {
                while (next == end && !closed) {
                    ConsoleLog.this.wait();
                }
                next = Math.max(next, end - KEPT_BYTES);
                int count = (int) Math.min(end - next, bytes.length);
                for (int i = 0; i < count; i++) {
                    bytes[i] = kept[(int) ((next + i) % KEPT_BYTES)];
                }
                next += count;
                return count;
            }
        }
    }

    /// A new reader.
    public Reader reader() {
        return new Reader();
    }

    /// Types, and waits for room. What a guest does not begin to take within 10 s is lost, as on a terminal whose queue is full: else
    /// who types would wait for it after they have gone.
    ///
    /// @return false when the guest has gone
    public boolean type(byte[] bytes, int length) throws InterruptedException {
        int given = input.put(bytes, 0, length, patience.toNanos());
        return given == length || !isClosed();
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    @Override
    public ByteSink output() {
        return this::append;
    }

    private synchronized int append(byte[] bytes, int offset, int length) {
        for (int i = 0; i < length; i++) {
            kept[(int) ((end + i) % KEPT_BYTES)] = bytes[offset + i];
        }
        end += length;
        notifyAll();
        return length;
    }

    @Override
    public ByteSource input() {
        return input;
    }

    @Override
    public void attach(Runnable service) {
        input.onData(service);
        service.run();
    }

    /// There is always room.
    @Override
    public boolean awaitRoom() {
        return true;
    }

    @Override
    public void hurry() {}

    /// The guest has gone: readers get the rest and then end.
    public synchronized void close() {
        closed = true;
        input.close();
        notifyAll();
    }
}
