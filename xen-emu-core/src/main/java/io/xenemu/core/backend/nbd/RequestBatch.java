package io.xenemu.core.backend.nbd;

import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The requests that go to a server in one system call: their headers, and where the data of writes is. Belongs to the
/// thread that has the connection's task of sending.
final class RequestBatch {
    /// Requests in one system call.
    private static final int MOST = 32;

    private static final long FLAGS = 4;
    private static final long COMMAND = 6;
    private static final long COOKIE = 8;
    private static final long OFFSET = 16;
    private static final long LENGTH = 24;

    private final IoVectors out;
    private final MemorySegment headers;
    private final NbdRequest[] requests = new NbdRequest[MOST];
    private int count;

    /// @param arena has the headers
    RequestBatch(Arena arena) {
        out = new IoVectors(arena, IoVectors.MAX_COUNT);
        headers = arena.allocate(MOST * NbdProtocol.REQUEST_BYTES, Long.BYTES);
    }

    /// What is to be sent. Sending removes it from the front.
    IoVectors out() {
        return out;
    }

    /// How many requests [#fill] took.
    int count() {
        return count;
    }

    /// One of the requests that [#fill] took.
    NbdRequest request(int i) {
        return requests[i];
    }

    /// Takes the next requests to send, as many as fit one call. The caller holds the lock of the queue.
    ///
    /// @return false if there are none
    boolean fill(RequestQueue waiting) {
        count = 0;
        out.clear();
        for (NbdRequest next = waiting.first();
                next != null && count < MOST && fits(next);
                next = waiting.first()) {
            NbdRequest _ = waiting.removeFirst();
            header(next);
            if (next.command() == NbdProtocol.CMD_WRITE) {
                out.addPart(next.data(), next.done, next.part);
            }
            requests[count++] = next;
        }
        return count > 0;
    }

    private boolean fits(NbdRequest next) {
        return count == 0
                || next.command() != NbdProtocol.CMD_WRITE
                || out.room() > next.data().count();
    }

    private void header(NbdRequest request) {
        boolean ranged = request.command() != NbdProtocol.CMD_FLUSH;
        header(
                count,
                request.flags() | (request.forced ? NbdProtocol.CMD_FLAG_FUA : 0),
                request.command(),
                request.cookie,
                ranged ? request.partOffset() : 0,
                ranged ? request.part : 0);
    }

    /// Makes it one command without a request in a queue.
    ///
    /// @param data of a write, else empty
    void only(int command, long cookie, long offset, int length, MemorySegment data) {
        count = 0;
        out.clear();
        header(0, 0, command, cookie, offset, length);
        if (data.byteSize() > 0) {
            out.add(data.address(), data.byteSize());
        }
    }

    private void header(int index, int flags, int command, long cookie, long offset, int length) {
        MemorySegment h = headers;
        long at = (long) index * NbdProtocol.REQUEST_BYTES;
        h.set(NbdProtocol.BE_32, at, NbdProtocol.REQUEST_MAGIC);
        h.set(NbdProtocol.BE_16, at + FLAGS, (short) flags);
        h.set(NbdProtocol.BE_16, at + COMMAND, (short) command);
        h.set(NbdProtocol.BE_64, at + COOKIE, cookie);
        h.set(NbdProtocol.BE_64, at + OFFSET, offset);
        h.set(NbdProtocol.BE_32, at + LENGTH, length);
        out.add(h.address() + at, NbdProtocol.REQUEST_BYTES);
    }
}
