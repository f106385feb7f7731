package io.xenemu.core.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/// The host's end of the console of a background guest. It keeps the last [#KEPT_BYTES] of output, whether they are
/// read or not, so that a guest never waits for a reader. Any number of readers may come and go. A reader that falls
/// further behind misses the output in between, as with Xen's xenconsoled.
public final class ConsoleLog implements HostConsole {
    /// Bytes of output that are kept.
    public static final int KEPT_BYTES = 64 << 10;

    /// The most input that may be typed ahead of a slow guest, in bytes.
    private static final int INPUT_BYTES = 4 << 10;

    /// Time for which a guest may take no input before the rest is lost.
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private final BytePipe input = new BytePipe(INPUT_BYTES);
    private final Duration patience;

    @GuardedBy("this")
    private final byte[] kept = new byte[KEPT_BYTES];

    /// The number of bytes printed so far.
    @GuardedBy("this")
    private long end;

    @GuardedBy("this")
    private boolean closed;

    /// A log without output yet.
    public ConsoleLog() {
        this(PATIENCE);
    }

    /// @param patience time to wait for a guest that does not take its input
    ConsoleLog(Duration patience) {
        this.patience = patience;
    }

    /// The readers that are not closed.
    @GuardedBy("this")
    private int readers;

    /// A reader, which starts with the kept output.
    public final class Reader implements AutoCloseable {
        @GuardedBy("ConsoleLog.this")
        private long next;

        @GuardedBy("ConsoleLog.this")
        private boolean done;

        private Reader() {}

        /// Reads no more.
        @Override
        public void close() {
            synchronized (ConsoleLog.this) {
                if (!done) {
                    done = true;
                    readers--;
                    ConsoleLog.this.notifyAll();
                }
            }
        }

        /// Takes output printed since the last call, and waits for it if there is none.
        ///
        /// @return the number of bytes at the start of `bytes`; 0 if the guest is gone and all was read
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
    public synchronized Reader reader() {
        readers++;
        return new Reader();
    }

    /// Waits until every reader is closed, once this is.
    ///
    /// @param limit the longest wait
    public synchronized void awaitReaders(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        long left = limit.toNanos();
        while (readers > 0 && left > 0) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
            left = deadline - System.nanoTime();
        }
    }

    /// Gives input to the guest, and waits for room. If the guest takes no byte for 10 s, the rest is lost, as on a
    /// terminal with a full queue. Otherwise the sender would wait for the guest even after leaving.
    ///
    /// @return false if the guest is gone
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
    public byte[] typed() {
        return input.copy();
    }

    @Override
    public void attach(Runnable service) {
        input.onData(service);
        service.run();
    }

    /// True: there is always room.
    @Override
    public boolean awaitRoom() {
        return true;
    }

    @Override
    public void hurry() {}

    /// Notes that the guest is gone: readers get the rest and then end.
    public synchronized void close() {
        closed = true;
        input.close();
        notifyAll();
    }
}
