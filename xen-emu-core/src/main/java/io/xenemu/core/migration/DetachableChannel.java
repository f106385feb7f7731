package io.xenemu.core.migration;

import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
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

    /// {@inheritDoc}
    ///
    /// @param buffer a direct one is filled by the kernel; nobody frees it meanwhile
    @Override
    public int read(ByteBuffer buffer) throws IOException {
        reading.lock();
        try {
            requireOpen();
            if (!buffer.hasRemaining()) {
                return 0;
            }
            MemorySegment room = MemorySegment.ofBuffer(buffer);
            MemorySegment to =
                    room.isNative() ? room : in.asSlice(0, Math.min(PIECE, room.byteSize()));
            into.clear();
            into.add(to.address(), to.byteSize());
            int count = Math.toIntExact(socket.receive(into));
            requireOpen();
            if (count == 0) {
                return -1;
            }
            if (!room.isNative()) {
                room.copyFrom(in.asSlice(0, count));
            }
            buffer.position(buffer.position() + count);
            return count;
        } finally {
            Reference.reachabilityFence(buffer);
            reading.unlock();
        }
    }

    /// {@inheritDoc}
    ///
    /// @param buffer a direct one is read by the kernel; nobody frees it meanwhile
    @Override
    public int write(ByteBuffer buffer) throws IOException {
        writing.lock();
        try {
            int count = buffer.remaining();
            while (buffer.hasRemaining()) {
                requireOpen();
                MemorySegment data = MemorySegment.ofBuffer(buffer);
                MemorySegment piece = data;
                if (!data.isNative()) {
                    piece = out.asSlice(0, Math.min(PIECE, data.byteSize()));
                    MemorySegment.copy(data, 0, piece, 0, piece.byteSize());
                }
                from.clear();
                from.add(piece.address(), piece.byteSize());
                socket.send(from);
                buffer.position(buffer.position() + Math.toIntExact(piece.byteSize()));
            }
            return count;
        } finally {
            Reference.reachabilityFence(buffer);
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
