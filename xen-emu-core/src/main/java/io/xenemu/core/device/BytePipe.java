package io.xenemu.core.device;

import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/// A bounded queue of bytes between a device, which never waits, and a host thread, which does. In either direction
/// no byte is lost: the giver keeps bytes that do not fit, and is notified when there is room.
public final class BytePipe implements ByteSink, ByteSource {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final byte[] ring;
    private int head;
    private int size;
    private boolean refused;
    private boolean closed;
    private boolean hurried;
    private volatile Runnable onRoom = BytePipe::nobody;
    private volatile Runnable onData = BytePipe::nobody;

    /// @param capacity in bytes
    public BytePipe(int capacity) {
        ring = new byte[capacity];
    }

    /// Sets a listener that is called on the taker's thread when there is room again after an incomplete [#offer].
    public void onRoom(Runnable listener) {
        onRoom = listener;
    }

    /// Sets a listener that is called on the giver's thread after [#put] added bytes.
    public void onData(Runnable listener) {
        onData = listener;
    }

    /// Called by the device to give bytes. A closed pipe takes none, as if it were full.
    @Override
    public int offer(byte[] bytes, int offset, int length) {
        lock.lock();
        try {
            int taken = closed ? 0 : Math.min(length, ring.length - size);
            append(bytes, offset, taken);
            refused |= taken < length;
            changed.signalAll();
            return taken;
        } finally {
            lock.unlock();
        }
    }

    /// Called by the device to take bytes.
    @Override
    public int poll(byte[] bytes, int offset, int length) {
        lock.lock();
        try {
            int given = remove(bytes, offset, length);
            changed.signalAll();
            return given;
        } finally {
            lock.unlock();
        }
    }

    /// Gives all bytes, and waits for room without a limit. Called by the host thread. Returns false if the pipe was
    /// closed before.
    public boolean put(byte[] bytes, int offset, int length) throws InterruptedException {
        return put(bytes, offset, length, Long.MAX_VALUE) == length;
    }

    /// Gives bytes, and waits a limited time whenever there is no room. Called by the host thread.
    ///
    /// @param patience in nanoseconds
    /// @return the number of bytes given: less than `length` if the device took none for that time, or the pipe was
    ///     closed
    public int put(byte[] bytes, int offset, int length, long patience)
            throws InterruptedException {
        int done = 0;
        while (done < length) {
            lock.lock();
            try {
                long left = patience;
                while (size == ring.length && !closed && left > 0) {
                    left = changed.awaitNanos(left);
                }
                if (closed || size == ring.length) {
                    return done;
                }
                int chunk = Math.min(length - done, ring.length - size);
                append(bytes, offset + done, chunk);
                done += chunk;
            } finally {
                lock.unlock();
            }
            onData.run();
        }
        return done;
    }

    /// Takes at least one byte, and waits for it. Called by the host thread. Returns 0 if the pipe is closed and
    /// empty.
    public int take(byte[] bytes) throws InterruptedException {
        int given;
        boolean tell;
        lock.lock();
        try {
            while (size == 0 && !closed) {
                changed.await();
            }
            given = remove(bytes, 0, bytes.length);
            tell = refused && given > 0;
            refused &= !tell;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        if (tell) {
            onRoom.run();
        }
        return given;
    }

    /// A copy of the bytes in the pipe, which keeps them.
    byte[] copy() {
        lock.lock();
        try {
            byte[] bytes = new byte[size];
            for (int i = 0; i < size; i++) {
                bytes[i] = ring[(head + i) % ring.length];
            }
            return bytes;
        } finally {
            lock.unlock();
        }
    }

    /// Waits until [#offer] would take something.
    ///
    /// @return false if it would not, because the pipe was closed or [#hurry] was called, now or earlier
    public boolean awaitRoom() throws InterruptedException {
        lock.lock();
        try {
            while (size == ring.length && !closed && !hurried) {
                changed.await();
            }
            return size < ring.length && !closed;
        } finally {
            lock.unlock();
        }
    }

    /// Ends waits in [#awaitRoom], now and in future.
    public void hurry() {
        lock.lock();
        try {
            hurried = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// Closes the pipe: it takes no more bytes, but still gives those in it.
    public void close() {
        lock.lock();
        try {
            closed = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private static void nobody() {}

    private void append(byte[] bytes, int offset, int length) {
        int at = (head + size) % ring.length;
        int first = Math.min(length, ring.length - at);
        System.arraycopy(bytes, offset, ring, at, first);
        System.arraycopy(bytes, offset + first, ring, 0, length - first);
        size += length;
    }

    private int remove(byte[] bytes, int offset, int length) {
        int count = Math.min(length, size);
        int first = Math.min(count, ring.length - head);
        System.arraycopy(ring, head, bytes, offset, first);
        System.arraycopy(ring, 0, bytes, offset + first, count - first);
        head = (head + count) % ring.length;
        size -= count;
        return count;
    }
}
