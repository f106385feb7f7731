package io.xenemu.xenstore.request;

import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/// Messages that wait for a client to read them, as bytes. Replies are always queued; the transport stops reading
/// requests when too many wait. A watch event is dropped if the same event is still waiting unsent (XSA-326: acting
/// on that one, the client will see all changes).
public final class OutputQueue implements ReplyQueue {
    /// About the heap of a waiting event, without its bytes.
    public static final int EVENT_BYTES = 128;

    private static final int FIRST_CAPACITY = 512;
    private static final int RING_KEPT_BYTES = 16 * 1024;
    private static final byte[] NONE = new byte[0];

    /// An event that is queued at `start`, counted in bytes since the queue was made.
    @SuppressWarnings("ArrayRecordComponent") // equals and hashCode are by content
    private record Waiting(long start, Path path, int skip, int tokenHash, byte[] token) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Waiting w
                    && skip == w.skip
                    && path.equals(w.path)
                    && Arrays.equals(token, w.token);
        }

        @Override
        public int hashCode() {
            return 31 * path.hashCode() + tokenHash;
        }
    }

    private final int keptBytes;
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
    private final Set<Waiting> waitingSet = new HashSet<>();
    private byte[] buffer = NONE;
    private int head;
    private int tail;
    private long sent;
    private int pathBytes;

    /// A queue for a ring.
    public OutputQueue() {
        this(RING_KEPT_BYTES);
    }

    /// An empty queue.
    ///
    /// @param keptBytes the largest array that is kept for later messages
    public OutputQueue(int keptBytes) {
        this.keptBytes = keptBytes;
    }

    /// The number of waiting bytes.
    public int size() {
        return tail - head;
    }

    /// Whether nothing waits.
    public boolean isEmpty() {
        return head == tail;
    }

    /// About the heap of everything that waits: an event has its path in addition to its bytes.
    public int held() {
        return size() + heldByEvents();
    }

    /// About the heap of the queue, with its unused room.
    public int heldCapacity() {
        return buffer.length + heldByEvents();
    }

    private int heldByEvents() {
        return EVENT_BYTES * waiting.size() + pathBytes;
    }

    /// About the heap of one event.
    public static int held(Path path, int skip, byte[] token) {
        return MessageHeader.SIZE
                + path.length()
                - skip
                + token.length
                + 2
                + EVENT_BYTES
                + path.bytes();
    }

    @Override
    public void reply(MessageType type, int requestId, int transactionId, byte[] payload) {
        int length = payload.length;
        reserve(MessageHeader.SIZE + length);
        MessageHeader.put(buffer, tail, type, requestId, transactionId, length);
        System.arraycopy(payload, 0, buffer, tail + MessageHeader.SIZE, length);
        tail += MessageHeader.SIZE + length;
    }

    /// Queues a watch event.
    ///
    /// @return false if it is too long for the protocol, and was dropped
    public boolean event(Path path, int skip, byte[] token) {
        int length = path.length() - skip + token.length + 2;
        if (MessageHeader.isTooLong(length)) {
            return false;
        }
        Waiting event = new Waiting(sent + size(), path, skip, Arrays.hashCode(token), token);
        if (!waitingSet.add(event)) {
            return true;
        }
        waiting.add(event);
        pathBytes += path.bytes();
        reserve(MessageHeader.SIZE + length);
        MessageHeader.put(buffer, tail, MessageType.WATCH_EVENT, 0, 0, length);
        int at = path.copyTo(skip, buffer, tail + MessageHeader.SIZE);
        buffer[at++] = 0;
        System.arraycopy(token, 0, buffer, at, token.length);
        at += token.length;
        buffer[at++] = 0;
        tail = at;
        return true;
    }

    /// Whether the same event waits.
    public boolean isWaiting(Path path, int skip, byte[] token) {
        return waitingSet.contains(new Waiting(0, path, skip, Arrays.hashCode(token), token));
    }

    /// A copy of the waiting bytes, to save them.
    public byte[] copy() {
        return Arrays.copyOfRange(buffer, head, tail);
    }

    /// Puts back saved bytes, which may start within a message.
    public void restore(byte[] bytes) {
        reserve(bytes.length);
        System.arraycopy(bytes, 0, buffer, tail, bytes.length);
        tail += bytes.length;
    }

    private void reserve(int length) {
        if (buffer.length - tail >= length) {
            return;
        }
        int size = size();
        byte[] target =
                buffer.length - size >= length && head >= buffer.length / 2
                        ? buffer
                        : new byte
                                [Math.max(
                                        FIRST_CAPACITY, Integer.highestOneBit(size + length) << 1)];
        System.arraycopy(buffer, head, target, 0, size);
        buffer = target;
        head = 0;
        tail = size;
    }

    /// The array that holds the waiting bytes: [#size] of them from [#head] on; valid until the next call.
    public byte[] buffer() {
        return buffer;
    }

    /// The place of the first waiting byte in [#buffer].
    public int head() {
        return head;
    }

    /// Removes the first `count` waiting bytes, which have been sent.
    public void advance(int count) {
        head += count;
        sent += count;
        while (!waiting.isEmpty() && waiting.getFirst().start < sent) {
            Waiting gone = waiting.removeFirst();
            pathBytes -= gone.path.bytes();
            waitingSet.remove(gone);
        }
        if (head == tail) {
            head = 0;
            tail = 0;
            if (buffer.length > keptBytes) {
                buffer = NONE; // do not keep what one burst needed
            }
        }
    }

    /// Removes and returns everything that waits, which then counts as sent.
    ///
    /// @param spare an array that is no longer needed, for the next messages
    public ByteBuffer take(byte[] spare) {
        ByteBuffer taken = ByteBuffer.wrap(buffer, head, size());
        sent += size();
        forgetWaiting();
        head = 0;
        tail = 0;
        buffer = spare.length > keptBytes ? NONE : spare;
        return taken;
    }

    /// Drops everything that waits.
    public void clear() {
        forgetWaiting();
        sent += size();
        head = 0;
        tail = 0;
        buffer = NONE;
    }

    private void forgetWaiting() {
        waiting.clear();
        waitingSet.clear();
        pathBytes = 0;
    }
}
