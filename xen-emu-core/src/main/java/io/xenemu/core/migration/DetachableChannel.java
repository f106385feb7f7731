package io.xenemu.core.migration;

import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;

/// A connection to a client's Unix socket that can be given to another process between two messages. One thread may
/// read while another one writes; any thread closes it, which ends their waits.
public final class DetachableChannel implements ByteChannel {
    /// To a client on this host.
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(10);

    private static final int PIECE = 1 << 16;

    private final StreamSocket socket;
    private final ReentrantLock reading = new ReentrantLock();
    private final ReentrantLock writing = new ReentrantLock();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment in = arena.allocate(PIECE, Long.BYTES);
    private final MemorySegment out = arena.allocate(PIECE, Long.BYTES);
    private final IoVectors into = new IoVectors(arena, 1);
    private final IoVectors from = new IoVectors(arena, 1);
    private volatile boolean isClosed;

    private DetachableChannel(StreamSocket socket) {
        this.socket = socket;
    }

    /// Connects.
    ///
    /// @throws IOException if nobody listens there; the message names the path
    public static DetachableChannel connect(Path path) throws IOException {
        StreamSocket socket = StreamSocket.connect(path, CONNECT_LIMIT);
        boolean done = false;
        try {
            socket.limit(Duration.ZERO);
            done = true;
            return new DetachableChannel(socket);
        } finally {
            if (!done) {
                socket.close();
            }
        }
    }

    private void requireOpen() throws ClosedChannelException {
        if (isClosed) {
            throw new ClosedChannelException();
        }
    }

    @Override
    public int read(ByteBuffer buffer) throws IOException {
        reading.lock();
        try {
            requireOpen();
            if (!buffer.hasRemaining()) {
                return 0;
            }
            into.clear();
            into.add(in.address(), Math.min(PIECE, buffer.remaining()));
            int count = Math.toIntExact(socket.receive(into));
            requireOpen();
            if (count == 0) {
                return -1;
            }
            MemorySegment.ofBuffer(buffer).copyFrom(in.asSlice(0, count));
            buffer.position(buffer.position() + count);
            return count;
        } finally {
            reading.unlock();
        }
    }

    @Override
    public int write(ByteBuffer buffer) throws IOException {
        writing.lock();
        try {
            int count = 0;
            while (buffer.hasRemaining()) {
                requireOpen();
                int piece = Math.min(PIECE, buffer.remaining());
                MemorySegment.copy(MemorySegment.ofBuffer(buffer), 0, out, 0, piece);
                from.clear();
                from.add(out.address(), piece);
                socket.send(from);
                buffer.position(buffer.position() + piece);
                count += piece;
            }
            return count;
        } finally {
            writing.unlock();
        }
    }

    /// Ends the use of the connection here. No thread reads or writes.
    ///
    /// @return the connection, for whoever closes it from now on
    /// @throws ClosedChannelException if it is closed already
    public StreamSocket detach() throws ClosedChannelException {
        reading.lock();
        writing.lock();
        try {
            requireOpen();
            isClosed = true;
            arena.close();
            return socket;
        } finally {
            writing.unlock();
            reading.unlock();
        }
    }

    @Override
    public boolean isOpen() {
        return !isClosed;
    }

    @Override
    public void close() {
        if (isClosed) {
            return;
        }
        // Ends waits, so that the locks come free.
        socket.shutdown();
        reading.lock();
        writing.lock();
        try {
            if (!isClosed) {
                isClosed = true;
                socket.close();
                arena.close();
            }
        } finally {
            writing.unlock();
            reading.unlock();
        }
    }
}
