package io.xenemu.xenstore.socket;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.thread.Epoll;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.state.XenStoreState.ConnectionState;
import io.xenemu.xenstore.state.XenStoreState.SocketState;
import io.xenemu.xenstore.store.Outlet;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.store.StoreSnapshot;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.Arrays;
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
    /// The most requests in one hold of the lock: about as many as fill a ring.
    private static final int BATCH = 64;

    /// The length of a turn, apart from its last request: others wait for all turns.
    private static final long TURN_NANOS = 1_000_000;

    private static final Logger log = LoggerFactory.getLogger(SocketConnection.class);
    private static final byte[] NONE = new byte[0];

    private final SocketTransport transport;
    private final StoreAccess access;
    private final ByteStream stream;
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
    // What the descriptor is followed for.
    private boolean reads;
    private boolean writes;
    // The output as the transport's thread saw it last.
    private boolean outputWaits;
    private boolean stalled;
    private boolean uncommitted;
    private boolean closed;

    /// @param stream closed with this object; nothing is read before [#start]
    SocketConnection(SocketTransport transport, ByteStream stream) {
        this.transport = transport;
        this.stream = stream;
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

    /// Goes on with a connection of another process, as it was saved there. Lock held.
    void restore(ConnectionState saved) {
        access.store().restore(session, saved);
        input = saved.input();
        inputEnd = input.length;
        output.restore(saved.output());
        count();
        lookAtOutput();
    }

    /// Its state for another process. The transport's thread stands still, and the lock is held.
    SocketState save() {
        ByteBuffer begun = writing.duplicate();
        byte[] waiting = output.copy();
        byte[] unread = new byte[begun.remaining() + waiting.length];
        int first = begun.remaining();
        begun.get(unread, 0, first);
        System.arraycopy(waiting, 0, unread, first, waiting.length);
        return new SocketState(
                stream.fd(),
                StoreSnapshot.connection(
                        session,
                        access.store(),
                        Arrays.copyOfRange(input, inputStart, inputEnd),
                        unread));
    }

    /// Whether it is about to lose its connection. Lock held.
    boolean isGoing() {
        return overrun || closed;
    }

    /// The descriptor's number.
    int fd() {
        return stream.fd();
    }

    /// Begins to serve the client.
    void start() {
        awaitClient();
    }

    /// Handles what was found ready.
    void handle(boolean readable, boolean writable, MemorySegment buffer) {
        if (!closed && writes && writable) {
            write();
            if (!closed && hasMessage()) {
                takeTurn();
            }
        }
        if (!closed && reads && readable) {
            read(buffer);
        }
    }

    private void read(MemorySegment buffer) {
        int count = stream.read(buffer, SocketTransport.READ_BYTES);
        if (count == -Errno.EAGAIN) {
            return; // the event was for an earlier connection of this number
        }
        if (count <= 0) {
            close(); // the end, or reset by the client
            return;
        }
        int left = inputEnd - inputStart;
        byte[] longer = new byte[left + count];
        System.arraycopy(input, inputStart, longer, 0, left);
        MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, longer, left, count);
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

    /// Writes new output, unless the client has not taken the earlier output: then it is told when it can.
    void outputReady() {
        boolean blocked = writing.hasRemaining();
        if (!blocked || isOverrun()) {
            write();
        }
    }

    /// Writes waiting output as far as the client takes it at once, and sets what is waited for.
    void write() {
        if (closed) {
            return;
        }
        try {
            ByteBuffer next = nextOutput();
            uncommitted = next.hasRemaining() && !transport.commit(this);
            if (!uncommitted) {
                write(next);
                forgetWritten();
            }
        } catch (IOException e) {
            log.debug("disconnecting a client: {}", e.getMessage());
            close();
            return;
        }
        awaitClient();
    }

    private void write(ByteBuffer next) throws IOException {
        MemorySegment buffer = transport.writeBuffer();
        int count = (int) Math.min(next.remaining(), buffer.byteSize());
        if (count == 0) {
            return;
        }
        int from = next.arrayOffset() + next.position();
        MemorySegment.copy(next.array(), from, buffer, ValueLayout.JAVA_BYTE, 0, count);
        int taken = stream.write(buffer, count);
        if (taken >= 0) {
            next.position(next.position() + taken);
        } else if (taken != -Errno.EAGAIN) {
            throw new IOException(Errno.name(-taken));
        }
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

    /// Sets what is waited for: no new requests while some are waiting.
    private void awaitClient() {
        if (uncommitted) {
            follow(false, false); // the transport tries again
            return;
        }
        boolean write = writing.hasRemaining() || outputWaits;
        if (!hasMessage()) {
            follow(true, write);
            return;
        }
        follow(false, write);
        if (!stalled) {
            transport.awaitTurn(this);
        }
    }

    /// A descriptor that is followed for nothing would still be told when the client leaves: it is not followed then.
    private void follow(boolean read, boolean write) {
        if (read == reads && write == writes) {
            return;
        }
        Epoll epoll = transport.epoll();
        if (!reads && !writes) {
            epoll.follow(stream.fd(), stream.fd(), read, write);
        } else if (read || write) {
            epoll.followed(stream.fd(), stream.fd(), read, write);
        } else {
            epoll.remove(stream.fd());
        }
        reads = read;
        writes = write;
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
        // Another process may have a duplicate of the descriptor, which would still be told.
        follow(false, false);
        transport.closed(this);
        stream.close();
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
