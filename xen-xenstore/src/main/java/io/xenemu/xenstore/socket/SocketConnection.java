package io.xenemu.xenstore.socket;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.store.Outlet;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One client of a [SocketTransport]. Used by the transport's thread; its output queue is guarded by the store's
/// lock.
///
/// While a client does not read its output, its requests are not read either. If all clients together hold too much
/// and this one has the most unread output, it is disconnected; it can connect again.
final class SocketConnection implements ClientMemory.Client {
    /// Bytes to write at once, more than a socket takes by default: the JDK first copies all that is offered, taken
    /// or not.
    private static final int WRITE_BYTES = 256 * 1024;

    /// The most requests in one hold of the lock: about as many as fill a ring.
    private static final int BATCH = 64;

    /// The length of a turn, apart from its last request: others wait for all turns.
    private static final long TURN_NANOS = 1_000_000;

    private static final Logger log = LoggerFactory.getLogger(SocketConnection.class);
    private static final byte[] NONE = new byte[0];

    private final SocketTransport transport;
    private final StoreAccess access;
    private final SocketChannel channel;
    private final SelectionKey key;
    private final Session session;
    private final ClientMemory memory;
    private final SocketOutput output;
    private final AtomicBoolean ready = new AtomicBoolean();
    // Requests that wait: for the rest of their message, for their turn, or for the client to
    // read.
    private byte[] input = NONE;
    private int inputStart;
    private int inputEnd;
    private ByteBuffer writing = ByteBuffer.wrap(NONE);
    // The bytes reported to the client memory.
    private long counted;
    private boolean overrun;
    // The output as the transport's thread saw it last.
    private boolean outputWaits;
    private boolean stalled;
    private boolean uncommitted;
    private boolean closed;

    SocketConnection(SocketTransport transport, SocketChannel channel, SelectionKey key) {
        this.transport = transport;
        this.channel = channel;
        this.key = key;
        this.access = transport.access();
        this.memory = transport.memory();
        this.output = new SocketOutput(memory);
        access.enter();
        try {
            this.session = access.connect(DomId.DOM0, new SocketOutlet());
            memory.add(this);
            access.countConnection(1);
        } finally {
            access.leave();
        }
    }

    /// Handles what the selector found ready.
    void handle(ByteBuffer buffer) {
        if (!closed && key.isValid() && key.isWritable()) {
            write();
            if (!closed && hasMessage()) {
                takeTurn();
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
        int left = inputEnd - inputStart;
        byte[] longer = new byte[left + count];
        System.arraycopy(input, inputStart, longer, 0, left);
        buffer.flip().get(longer, left, count);
        input = longer;
        inputStart = 0;
        inputEnd = longer.length;
        takeTurn();
    }

    /// Handles some of the complete messages that have arrived, if the client reads the replies.
    void takeTurn() {
        if (closed || uncommitted) {
            return;
        }
        if (!handleMessages()) {
            log.debug("a client sent a payload over the limit");
            close();
        }
        if (!closed) {
            awaitClient();
        }
    }

    /// Handles messages under one hold of the lock; returns false if one is malformed.
    private boolean handleMessages() {
        long start = System.nanoTime();
        access.enter();
        try {
            for (int handled = 0; handled < BATCH && hasMessage(); handled++) {
                int length = MessageHeader.length(input, inputStart);
                if (MessageHeader.isTooLong(length)) {
                    return false;
                }
                if (output.isStalled() || (handled > 0 && isOver(start))) {
                    break;
                }
                access.handle(session, output, input, inputStart, transport.metrics());
                inputStart += MessageHeader.SIZE + length;
            }
            if (inputStart == inputEnd) {
                input = NONE;
                inputStart = 0;
                inputEnd = 0;
            }
            count();
            lookAtOutput();
            return true;
        } finally {
            access.leave();
        }
    }

    /// Notes the output's state. Output queued later is announced to the transport. Lock held.
    private void lookAtOutput() {
        outputWaits = !output.isEmpty();
        stalled = output.isStalled();
    }

    private static boolean isOver(long start) {
        return System.nanoTime() - start > TURN_NANOS;
    }

    /// Reports to the client memory what this client holds now. Lock held.
    private void count() {
        long held = output.held() + input.length + writing.capacity();
        memory.change(held - counted);
        counted = held;
        memory.bound();
    }

    @Override
    public long behind() {
        return output.size() + writing.remaining() + inputEnd - inputStart;
    }

    @Override
    public void disconnect() {
        overrun = true;
        output.clear();
        memory.change(-counted);
        counted = 0;
        session.changed(); // so that the transport learns of it
    }

    boolean markReady() {
        return ready.compareAndSet(false, true);
    }

    void clearReady() {
        ready.set(false);
    }

    /// Writes new output, unless the client has not taken the earlier output: then the selector reports when it can.
    void outputReady() {
        boolean blocked = writing.hasRemaining();
        if (!blocked || isOverrun()) {
            write();
        }
    }

    /// Writes waiting output as far as the client takes it at once, and sets what the selector waits for.
    void write() {
        if (closed) {
            return;
        }
        try {
            ByteBuffer next = nextOutput();
            uncommitted = next.hasRemaining() && !transport.commit(this);
            if (!uncommitted) {
                int end = next.limit();
                next.limit(Math.min(end, next.position() + WRITE_BYTES));
                channel.write(next);
                next.limit(end);
                forgetWritten();
            }
        } catch (IOException e) {
            log.debug("disconnecting a client: {}", e.getMessage());
            close();
            return;
        }
        awaitClient();
    }

    /// Drops a large written array, so that an idle client keeps none.
    private void forgetWritten() {
        if (writing.hasRemaining() || writing.capacity() <= SocketOutput.KEPT_BYTES) {
            return;
        }
        access.enter();
        try {
            writing = ByteBuffer.wrap(NONE);
            count();
        } finally {
            access.leave();
        }
    }

    /// Sets what the selector waits for: no new requests while some are waiting.
    private void awaitClient() {
        if (uncommitted) {
            key.interestOps(0); // the transport tries again
            return;
        }
        int write = writing.hasRemaining() || outputWaits ? SelectionKey.OP_WRITE : 0;
        if (!hasMessage()) {
            key.interestOps(SelectionKey.OP_READ | write);
            return;
        }
        key.interestOps(write);
        if (!stalled) {
            transport.awaitTurn(this);
        }
    }

    /// The output that is being written, or the waiting output. It is taken out of the queue, so that no lock is held
    /// while writing.
    private ByteBuffer nextOutput() throws IOException {
        access.enter();
        try {
            if (overrun) {
                throw new IOException("it does not read its watch events");
            }
            if (!writing.hasRemaining()) {
                writing = output.take(writing.array());
                count();
            }
            lookAtOutput();
        } finally {
            access.leave();
        }
        return writing;
    }

    private boolean isOverrun() {
        access.enter();
        try {
            return overrun;
        } finally {
            access.leave();
        }
    }

    /// Whether a complete or a malformed request waits.
    private boolean hasMessage() {
        return MessageHeader.isWhole(input, inputStart, inputEnd - inputStart);
    }

    void close() {
        if (closed) {
            return;
        }
        closed = true;
        access.enter();
        try {
            access.store().reset(session);
            access.countConnection(-1);
            memory.remove(this);
            output.clear();
            memory.change(-counted);
            counted = 0;
        } finally {
            access.leave();
        }
        key.cancel();
        try {
            channel.close();
        } catch (IOException e) {
            log.debug("closing a client's socket failed: {}", e.getMessage());
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
            boolean queued = !overrun && output.event(path, skip, token);
            transport.metrics().event(!queued);
            if (queued) {
                count();
            }
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
