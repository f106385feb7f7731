package io.xenemu.core.backend.p9;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// The request that one worker carries out, with its memory: the copy of the request, the answer, and room for calls.
/// The memory grows with the largest message that came.
final class P9Request implements AutoCloseable {
    /// Room for every request and answer but those with data.
    private static final int BYTES_FIRST = 8192;

    final P9Scratch scratch = new P9Scratch();
    private Arena arena = Arena.ofShared();
    private MemorySegment asked = arena.allocate(BYTES_FIRST);
    private MemorySegment answer = arena.allocate(BYTES_FIRST);

    /// The queue that it came on, while it runs; guarded by [P9Requests].
    @Nullable P9Queue queue;

    /// Guarded by [P9Requests].
    int tag;

    /// Bytes of the request; guarded by [P9Requests].
    int bytes;

    /// Bytes kept for the answer; guarded by [P9Requests].
    int bound;

    MemorySegment asked() {
        return asked;
    }

    MemorySegment answer() {
        return answer;
    }

    private boolean closed;

    /// Makes room for a message. The content is lost. Does nothing after the end.
    synchronized void grow(int bytes) {
        int wanted = Math.max(Integer.highestOneBit(bytes - 1) << 1, BYTES_FIRST);
        if (!closed && wanted > asked.byteSize()) {
            Arena larger = Arena.ofShared();
            asked = larger.allocate(wanted);
            answer = larger.allocate(wanted);
            arena.close();
            arena = larger;
        }
    }

    /// The worker has no request. Twice is allowed.
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            scratch.close();
            arena.close();
        }
    }
}
