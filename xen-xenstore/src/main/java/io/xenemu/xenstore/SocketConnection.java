package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One client of a [SocketTransport]. Used by the transport's thread; its queue of output is guarded by the store's lock.
///
/// While a client does not read its output, its requests are not read either. If it does not even read its watch events,
/// it is disconnected when too many wait, and can connect anew.
final class SocketConnection {
    /// Bytes of output that may wait, beside what is being written; the event that exceeds them ends the connection.
    static final int EVENT_BYTES = 16 << 20;

    /// Bytes to write at once, more than a socket takes by default: what is offered is copied first, in vain if not taken.
    private static final int WRITE_BYTES = 256 * 1024;

    /// Bytes of unread output at which no further requests are taken.
    private static final int STALL_BYTES = 64 * 1024;

    private static final Logger LOG = LoggerFactory.getLogger(SocketConnection.class);
    private static final byte[] NONE = new byte[0];

    private final SocketTransport transport;
    private final SocketChannel channel;
    private final SelectionKey key;
    private final Session session;
    private final OutputQueue output = new OutputQueue(EVENT_BYTES);
    private final AtomicBoolean ready = new AtomicBoolean();
    // Bytes of requests that wait for the rest of their message, or for the client to read.
    private byte[] input = NONE;
    private int inputSize;
    private ByteBuffer writing = ByteBuffer.wrap(NONE);
    private boolean overrun;
    private boolean closed;

    SocketConnection(SocketTransport transport, SocketChannel channel, SelectionKey key) {
        this.transport = transport;
        this.channel = channel;
        this.key = key;
        XenStoreServer server = transport.server();
        server.enter();
        try {
            this.session = server.connect(DomId.DOM0, new SocketOutlet());
            server.countConnection(1);
        } finally {
            server.leave();
        }
    }

    /// Does what the selector found possible.
    void handle(ByteBuffer buffer) {
        if (!closed && key.isValid() && key.isWritable()) {
            write();
            if (!closed && hasMessage()) {
                process();
            }
        }
        if (!closed && key.isValid() && key.isReadable()) {
            read(buffer);
        }
    }

    private void read(ByteBuffer buffer) {
        buffer.clear();
        int count;
        try {
            count = channel.read(buffer);
        } catch (IOException e) {
            count = -1; // reset by the client
        }
        if (count < 0) {
            close();
            return;
        }
        if (input.length - inputSize < count) {
            input = Arrays.copyOf(input, inputSize + count);
        }
        buffer.flip().get(input, inputSize, count);
        inputSize += count;
        process();
    }

    /// Handles the complete messages that have come, as long as the client reads the replies.
    private void process() {
        boolean more = true;
        while (more && !closed) {
            more = processBatch();
        }
        if (!closed && hasMessage()) {
            key.interestOps(SelectionKey.OP_WRITE); // it is to read before more of it is read
        }
    }

    /// Does so under one hold of the lock; tells whether it has only stopped to let others in.
    private boolean processBatch() {
        XenStoreServer server = transport.server();
        int at = 0;
        int handled = 0;
        boolean broken = false;
        boolean yielding = false;
        server.enter();
        try {
            while (inputSize - at >= MessageHeader.SIZE && output.size() < STALL_BYTES) {
                if (handled >= StoreLock.BATCH && server.isWaitedFor()) {
                    yielding = true;
                    break;
                }
                int length = MessageHeader.length(input, at);
                if (MessageHeader.isTooLong(length)) {
                    broken = true;
                    break;
                }
                if (inputSize - at < MessageHeader.SIZE + length) {
                    break;
                }
                server.handler().handle(session, output, input, at, transport.metrics());
                at += MessageHeader.SIZE + length;
                handled++;
            }
        } finally {
            keepFrom(at);
            server.leave();
        }
        if (broken) {
            LOG.debug("a client sent a payload over the limit");
            close();
        }
        return yielding;
    }

    private void keepFrom(int at) {
        inputSize -= at;
        if (inputSize == 0) {
            input = NONE;
        } else if (at > 0) {
            input = Arrays.copyOfRange(input, at, at + inputSize);
        }
    }

    boolean markReady() {
        return ready.compareAndSet(false, true);
    }

    void clearReady() {
        ready.set(false);
    }

    /// There is new output. It waits for the selector if the client has not taken what was there before.
    void outputReady() {
        boolean blocked = writing.hasRemaining();
        if (!blocked || isOverrun()) {
            write();
        }
    }

    /// Writes what waits, as far as the client takes it at once, and says what the selector is to look for.
    private void write() {
        if (closed) {
            return;
        }
        try {
            ByteBuffer next = nextOutput();
            transport.commit();
            int end = next.limit();
            next.limit(Math.min(end, next.position() + WRITE_BYTES));
            channel.write(next);
            next.limit(end);
        } catch (IOException e) {
            LOG.debug("disconnecting a client: {}", e.getMessage());
            close();
            return;
        }
        awaitClient();
    }

    /// Says what the selector is to look for: no new requests while there are some that wait for the client to read.
    private void awaitClient() {
        boolean waiting = writing.hasRemaining() || outputSize() > 0;
        if (hasMessage()) {
            key.interestOps(SelectionKey.OP_WRITE);
        } else {
            key.interestOps(SelectionKey.OP_READ | (waiting ? SelectionKey.OP_WRITE : 0));
        }
    }

    /// What is being written, or else what waits. It is taken out of the queue, so that no lock is held while writing.
    private ByteBuffer nextOutput() throws IOException {
        transport.server().enter();
        try {
            if (overrun) {
                throw new IOException("it does not read its watch events");
            }
            if (!writing.hasRemaining()) {
                writing = output.take(writing.array());
            }
        } finally {
            transport.server().leave();
        }
        return writing;
    }

    private boolean isOverrun() {
        transport.server().enter();
        try {
            return overrun;
        } finally {
            transport.server().leave();
        }
    }

    private int outputSize() {
        transport.server().enter();
        try {
            return output.size();
        } finally {
            transport.server().leave();
        }
    }

    /// Whether a complete request waits, or a broken one.
    private boolean hasMessage() {
        if (inputSize < MessageHeader.SIZE) {
            return false;
        }
        int length = MessageHeader.length(input, 0);
        return MessageHeader.isTooLong(length) || inputSize >= MessageHeader.SIZE + length;
    }

    void close() {
        if (closed) {
            return;
        }
        closed = true;
        XenStoreServer server = transport.server();
        server.enter();
        try {
            server.store().reset(session);
            server.countConnection(-1);
            output.clear();
        } finally {
            server.leave();
        }
        key.cancel();
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("closing a client's socket failed: {}", e.getMessage());
        }
        transport.closed(this);
    }

    private final class SocketOutlet implements Outlet, Runnable {
        @Override
        public void run() {
            transport.outputReady(SocketConnection.this);
        }

        @Override
        public void watchEvent(Path path, int skip, byte[] token) {
            boolean queued = output.event(path, skip, token);
            overrun |= output.size() > EVENT_BYTES;
            transport.metrics().event(!queued);
        }

        @Override
        public @Nullable Runnable flush() {
            return this;
        }

        @Override
        public void failed(Throwable failure) {
            transport.failed(SocketConnection.this, failure);
        }
    }
}
