package io.xenemu.xenstore;

import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/// Messages that wait for a client to read them, as bytes. Replies are always taken; the transport stops reading requests
/// when too many wait. A watch event is dropped if the same one is still waiting unsent (XSA-326: the client will see all
/// changes when it acts on that one).
final class OutputQueue implements ReplyQueue {
    /// About what an event takes that waits, beside its bytes.
    static final int EVENT_BYTES = 128;

    private static final int FIRST_CAPACITY = 512;
    private static final int RING_KEPT_BYTES = 16 * 1024;
    private static final byte[] NONE = new byte[0];

    /// An event that is in the queue from `start` on, in bytes since the beginning.
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
    OutputQueue() {
        this(RING_KEPT_BYTES);
    }

    /// @param keptBytes of an array that is kept for the next messages
    OutputQueue(int keptBytes) {
        this.keptBytes = keptBytes;
    }

    /// Bytes that wait.
    int size() {
        return tail - head;
    }

    boolean isEmpty() {
        return head == tail;
    }

    /// About the heap that everything takes that waits: an event has its path beside its bytes.
    int held() {
        return size() + heldByEvents();
    }

    /// As [#held], with room that is not used yet.
    int heldCapacity() {
        return buffer.length + heldByEvents();
    }

    private int heldByEvents() {
        return EVENT_BYTES * waiting.size() + pathBytes;
    }

    /// About the heap that an event takes.
    static int held(Path path, int skip, byte[] token) {
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
    boolean event(Path path, int skip, byte[] token) {
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
    boolean isWaiting(Path path, int skip, byte[] token) {
        return waitingSet.contains(new Waiting(0, path, skip, Arrays.hashCode(token), token));
    }

    /// What waits, to save it.
    byte[] copy() {
        return Arrays.copyOfRange(buffer, head, tail);
    }

    /// Puts back what was saved; it may start within a message.
    void restore(byte[] bytes) {
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

    /// The array that holds the waiting bytes from [#head] on, [#size] of them; valid until the next call.
    byte[] buffer() {
        return buffer;
    }

    int head() {
        return head;
    }

    /// Takes the first `count` waiting bytes as sent.
    void advance(int count) {
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

    /// Hands over everything that waits, which then counts as sent.
    ///
    /// @param spare an array that is no longer needed, for the next messages
    ByteBuffer take(byte[] spare) {
        ByteBuffer taken = ByteBuffer.wrap(buffer, head, size());
        sent += size();
        forgetWaiting();
        head = 0;
        tail = 0;
        buffer = spare.length > keptBytes ? NONE : spare;
        return taken;
    }

    /// Forgets everything that waits.
    void clear() {
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
