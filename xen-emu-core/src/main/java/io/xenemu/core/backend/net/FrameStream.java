package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.host.Teardown;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.socket.StreamSocket;
import io.xenemu.kvm.thread.Epoll;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// Frames on a stream socket, each behind its length of four bytes, most significant first: what passt(1) and QEMU's
/// `-netdev stream` speak. The stream has no header for offloads. So a checksum that the guest has left out is computed
/// here, and all frames to the guest have theirs. Segments that the guest has not split stay one packet.
///
/// Each direction has one buffer: system calls move many frames. While the peer takes nothing, the guest's frames wait
/// in its ring; while the guest takes nothing, the peer's wait in the socket.
///
/// Sockets come and go below it. Without one, frames of the guest are dropped.
///
/// Thread-safe: one thread may use the [FramePort], while others attach and end sockets. The monitor is a leaf, and is
/// held during system calls that do not wait.
final class FrameStream implements FramePort, AutoCloseable {
    /// The most bytes of a frame to the peer: passt's limit, and that of `size` in a front end's request.
    static final int MAX_SENT = 0xffff;

    private static final ValueLayout.OfInt LENGTH =
            JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    /// Room for a largest frame when some others wait: with small frames a system call moves about a ring full.
    private static final int OUT_BYTES = 160 << 10;

    /// More than the largest frame; as much again comes with one system call.
    private static final int IN_BYTES = 128 << 10;

    /// Any key: whoever waits for [#fd] looks at everything.
    private static final long KEY = 0;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment out = arena.allocate(OUT_BYTES, Long.BYTES);
    private final MemorySegment in = arena.allocate(IN_BYTES, Long.BYTES);
    private final IoVectors part = new IoVectors(arena, 1);
    private final VnetHeader header = new VnetHeader(arena);
    private final PacketHeaders headers = new PacketHeaders(arena);
    private final MemorySegment noHeader = arena.allocate(VnetHeader.BYTES);
    private final Epoll events;
    private final EventFd ended;

    @GuardedBy("this")
    private @Nullable StreamSocket socket;

    /// What the operator learns of the end of the last socket.
    @GuardedBy("this")
    private String reason = "";

    @GuardedBy("this")
    private boolean closed;

    /// Whether the peer took not all, and the descriptor tells when it takes more.
    @GuardedBy("this")
    private boolean blocked;

    @GuardedBy("this")
    private int outFirst;

    @GuardedBy("this")
    private int outLast;

    @GuardedBy("this")
    private int inFirst;

    @GuardedBy("this")
    private int inLast;

    /// A stream without a socket.
    ///
    /// @throws io.xenemu.kvm.abi.KvmException if the process has no descriptor left
    FrameStream() {
        Teardown undo = new Teardown();
        try {
            undo.add(arena::close);
            events = new Epoll(1);
            undo.add(events::close);
            ended = EventFd.create();
            undo.add(ended::close);
            events.add(ended.fd(), KEY);
        } catch (RuntimeException | Error e) {
            undo.closeAfter(e);
            throw e;
        }
    }

    /// Becomes readable when a frame has come, when there is room for frames again, and when a socket ends.
    int fd() {
        return events.fd();
    }

    /// Begins with a socket, which becomes this object's. There is none.
    ///
    /// @throws KvmException if it cannot be waited for
    synchronized void attach(StreamSocket next) {
        if (closed) {
            next.close();
            return;
        }
        outFirst = 0;
        outLast = 0;
        inFirst = 0;
        inLast = 0;
        blocked = false;
        try {
            events.add(next.fd(), KEY);
        } catch (KvmException e) {
            next.close();
            throw e;
        }
        socket = next;
    }

    /// The number of the socket's descriptor. This object keeps the ownership. No thread uses the [FramePort].
    ///
    /// @return negative if there is no socket
    synchronized int socketFd() {
        return socket == null ? -1 : socket.fd();
    }

    /// What has been taken of either side and not passed on: bytes for the peer with their number before them, and
    /// bytes of the peer. No thread uses the [FramePort].
    synchronized byte[] buffered() {
        ByteBuffer all = ByteBuffer.allocate(Integer.BYTES + outLast - outFirst + inLast - inFirst);
        all.putInt(outLast - outFirst);
        all.put(out.asSlice(outFirst, outLast - outFirst).asByteBuffer());
        all.put(in.asSlice(inFirst, inLast - inFirst).asByteBuffer());
        return all.array();
    }

    /// Puts back such bytes, after [#attach]. Nothing has been sent or received.
    ///
    /// @throws IllegalArgumentException if they are more than a stream keeps
    synchronized void restore(byte[] buffered) {
        ByteBuffer all = ByteBuffer.wrap(buffered);
        int length = all.getInt();
        if (length < 0 || length > OUT_BYTES || length > all.remaining()) {
            throw new IllegalArgumentException("a stream with %d bytes".formatted(length));
        }
        int rest = all.remaining() - length;
        if (rest > IN_BYTES) {
            throw new IllegalArgumentException("a stream that has %d bytes".formatted(rest));
        }
        MemorySegment bytes = MemorySegment.ofArray(buffered);
        MemorySegment.copy(bytes, Integer.BYTES, out, 0, length);
        MemorySegment.copy(bytes, Integer.BYTES + (long) length, in, 0, rest);
        outLast = length;
        inLast = rest;
        ended.signal();
    }

    /// Ends a socket, unless another has followed it.
    synchronized void end(StreamSocket ending, String why) {
        if (ending.equals(socket)) {
            end(why);
        }
    }

    @GuardedBy("this")
    private void end(String why) {
        StreamSocket ending = socket;
        if (ending != null) {
            socket = null;
            reason = why;
            events.remove(ending.fd());
            ending.close();
            ended.signal();
            notifyAll();
        }
    }

    /// Whether there is a socket.
    synchronized boolean isAttached() {
        return socket != null;
    }

    /// Waits until the socket has ended.
    ///
    /// @return the reason; null if the stream is closed
    synchronized @Nullable String awaitEnd() throws InterruptedException {
        while (socket != null && !closed) {
            wait();
        }
        return closed ? null : reason;
    }

    @Override
    public synchronized boolean canSend() {
        if (socket == null || hasRoom()) {
            return true;
        }
        boolean _ = flush();
        int left = outLast - outFirst;
        if (!hasRoom() && OUT_BYTES - left >= Integer.BYTES + MAX_SENT) {
            MemorySegment.copy(out, outFirst, out, 0, left);
            outFirst = 0;
            outLast = left;
        }
        return socket == null || hasRoom();
    }

    @GuardedBy("this")
    private boolean hasRoom() {
        return OUT_BYTES - outLast >= Integer.BYTES + MAX_SENT;
    }

    @Override
    public synchronized long send(IoVectors frame) {
        int length = Math.toIntExact(frame.bytes() - VnetHeader.BYTES);
        if (socket == null || !hasRoom()) {
            return -Errno.EAGAIN;
        }
        int at = outLast + Integer.BYTES;
        out.set(LENGTH, outLast, length);
        frame.copyOut(0, header.memory(), 0, VnetHeader.BYTES);
        frame.copyOut(VnetHeader.BYTES, out, at, length);
        if (header.gsoType() != VnetHeader.GSO_NONE) {
            joinSegments(at, length);
        }
        InternetChecksum.complete(header, out, at, length);
        outLast = at + length;
        return frame.bytes();
    }

    /// Makes one large packet of a frame that is to be split.
    @GuardedBy("this")
    private void joinSegments(int at, int length) {
        headers.begin(length);
        int copied = headers.append(out, at, length);
        if (headers.parse()) {
            headers.makeWhole();
            MemorySegment.copy(headers.memory(), 0, out, at, copied);
        }
    }

    @Override
    public synchronized boolean flush() {
        boolean moved = false;
        while (outFirst < outLast && socket != null) {
            boolean wasBlocked = blocked;
            moved |= push(socket);
            if (wasBlocked && outFirst < outLast) {
                return moved;
            }
        }
        return moved;
    }

    /// Writes once. A peer that does not take all is told of, and then the caller tries once more: it may have taken
    /// the rest before that.
    ///
    /// @return whether it has taken any
    @GuardedBy("this")
    private boolean push(StreamSocket to) {
        part.clear();
        part.add(out.address() + outFirst, outLast - outFirst);
        boolean isAll;
        try {
            isAll = to.sendAtOnce(part);
        } catch (IOException e) {
            end(String.valueOf(e.getMessage()));
            return false;
        }
        int taken = outLast - outFirst - Math.toIntExact(part.bytes());
        outFirst += taken;
        if (isAll) {
            outFirst = 0;
            outLast = 0;
        }
        if (blocked == isAll) {
            blocked = !isAll;
            events.writable(to.fd(), KEY, blocked);
        }
        return taken > 0;
    }

    @Override
    public synchronized long receive(IoVectors frame) {
        while (true) {
            int there = inLast - inFirst - Integer.BYTES;
            if (there >= 0) {
                int length = in.get(LENGTH, inFirst);
                if (length < 0 || length > RxFeatures.MAX_FRAME) {
                    end("it sends a frame of " + Integer.toUnsignedLong(length) + " bytes");
                    return -Errno.EAGAIN;
                }
                if (length <= there) {
                    frame.copyIn(0, noHeader, 0, VnetHeader.BYTES);
                    frame.copyIn(VnetHeader.BYTES, in, inFirst + Integer.BYTES, length);
                    inFirst += Integer.BYTES + length;
                    return (long) VnetHeader.BYTES + length;
                }
            }
            if (!fill()) {
                return -Errno.EAGAIN;
            }
        }
    }

    /// Reads once, when no whole frame is left.
    ///
    /// @return false if nothing came
    @GuardedBy("this")
    private boolean fill() {
        StreamSocket from = socket;
        if (from == null) {
            return false;
        }
        if (IN_BYTES - inFirst < Integer.BYTES + RxFeatures.MAX_FRAME || inFirst == inLast) {
            MemorySegment.copy(in, inFirst, in, 0, inLast - inFirst);
            inLast -= inFirst;
            inFirst = 0;
        }
        part.clear();
        part.add(in.address() + inLast, IN_BYTES - inLast);
        long received = from.receiveAtOnce(part);
        if (received > 0) {
            inLast += Math.toIntExact(received);
            return true;
        }
        if (received != -Errno.EAGAIN) {
            end(
                    received == 0
                            ? "it has closed the connection"
                            : Errno.name(Math.toIntExact(-received)));
        }
        return false;
    }

    /// No thread uses it as a [FramePort] any more. Calling it twice is allowed.
    @Override
    public synchronized void close() {
        if (!closed) {
            end("");
            closed = true;
            notifyAll();
            events.close();
            ended.close();
            arena.close();
        }
    }
}
