package io.xenemu.xenstore.socket;

import io.xenemu.xenstore.request.OutputQueue;
import io.xenemu.xenstore.request.ReplyQueue;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/// The waiting output of a socket client. As long as the client reads, it is bytes ([OutputQueue]). For a client that
/// is behind, events wait unencoded, so that many clients that do not read share one path. The store's lock is held.
final class SocketOutput implements ReplyQueue {
    /// Bytes of unread output at which no further requests are taken, and from which on events wait unencoded.
    static final int STALL_BYTES = 64 * 1024;

    /// The largest array that a client keeps for its next output: thousands of clients may be idle.
    static final int KEPT_BYTES = 1024;

    private sealed interface Later permits Event, Reply {}

    @SuppressWarnings("ArrayRecordComponent") // equals and hashCode are by content
    private record Event(Path path, int skip, byte[] token) implements Later {
        int length() {
            return MessageHeader.SIZE + path.length() - skip + token.length + 2;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Event e
                    && skip == e.skip
                    && path.equals(e.path)
                    && Arrays.equals(token, e.token);
        }

        @Override
        public int hashCode() {
            return 31 * path.hashCode() + Arrays.hashCode(token);
        }
    }

    /// The reply to a request that caused more events than fit.
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Reply(byte[] message) implements Later {}

    private final ClientMemory memory;
    private final OutputQueue next = new OutputQueue(KEPT_BYTES);
    private ArrayDeque<Later> later = new ArrayDeque<>();
    private Set<Event> laterEvents = new HashSet<>();
    private long laterBytes;
    private long laterHeld;

    SocketOutput(ClientMemory memory) {
        this.memory = memory;
    }

    boolean isEmpty() {
        return next.isEmpty();
    }

    /// Whether the client has to read before its next requests are handled.
    boolean isStalled() {
        return next.size() >= STALL_BYTES;
    }

    /// Bytes that wait, as the client will read them.
    long size() {
        return next.size() + laterBytes;
    }

    /// About the heap of the output, without the paths that [ClientMemory] counts.
    long held() {
        return next.heldCapacity() + laterHeld;
    }

    @Override
    public void reply(MessageType type, int requestId, int transactionId, byte[] payload) {
        if (later.isEmpty()) {
            next.reply(type, requestId, transactionId, payload);
            return;
        }
        byte[] message = new byte[MessageHeader.SIZE + payload.length];
        MessageHeader.put(message, 0, type, requestId, transactionId, payload.length);
        System.arraycopy(payload, 0, message, MessageHeader.SIZE, payload.length);
        later.add(new Reply(message));
        laterBytes += message.length;
        laterHeld += message.length + OutputQueue.EVENT_BYTES;
    }

    /// Queues a watch event, unless the same event is waiting.
    ///
    /// @return false if it is too long for the protocol
    boolean event(Path path, int skip, byte[] token) {
        if (later.isEmpty() && !isStalled()) {
            return next.event(path, skip, token);
        }
        Event event = new Event(path, skip, token);
        if (MessageHeader.isTooLong(event.length() - MessageHeader.SIZE)) {
            return false;
        }
        if (next.isWaiting(path, skip, token) || laterEvents.contains(event)) {
            return true;
        }
        event = new Event(memory.hold(path), skip, token);
        laterEvents.add(event);
        later.add(event);
        laterBytes += event.length();
        laterHeld += OutputQueue.EVENT_BYTES;
        return true;
    }

    /// Removes and returns waiting bytes, which then count as sent.
    ///
    /// @param spare an array that is no longer needed, for the next messages
    ByteBuffer take(byte[] spare) {
        ByteBuffer taken = next.take(spare);
        if (later.isEmpty()) {
            return taken;
        }
        while (!later.isEmpty() && !isStalled()) {
            switch (later.remove()) {
                case Event event -> {
                    forget(event);
                    next.event(event.path, event.skip, event.token);
                }
                case Reply(byte[] message) -> {
                    laterBytes -= message.length;
                    laterHeld -= message.length + OutputQueue.EVENT_BYTES;
                    next.restore(message);
                }
            }
        }
        if (later.isEmpty()) {
            forgetLater();
        }
        return taken;
    }

    /// A copy of all that waits, as the client will read it.
    byte[] copy() {
        if (later.isEmpty()) {
            return next.copy();
        }
        OutputQueue all = new OutputQueue();
        all.restore(next.copy());
        for (Later one : later) {
            switch (one) {
                case Event event -> {
                    boolean _ = all.event(event.path, event.skip, event.token);
                }
                case Reply(byte[] message) -> all.restore(message);
            }
        }
        return all.copy();
    }

    /// Puts back saved bytes, which may start within a message.
    void restore(byte[] bytes) {
        next.restore(bytes);
    }

    private void forget(Event event) {
        laterEvents.remove(event);
        memory.release(event.path);
        laterBytes -= event.length();
        laterHeld -= OutputQueue.EVENT_BYTES;
    }

    /// Drops everything that waits.
    void clear() {
        laterEvents.forEach(event -> memory.release(event.path));
        forgetLater();
        next.clear();
    }

    /// Makes new collections, since a collection that was large once stays large.
    private void forgetLater() {
        later = new ArrayDeque<>();
        laterEvents = new HashSet<>();
        laterBytes = 0;
        laterHeld = 0;
    }
}
