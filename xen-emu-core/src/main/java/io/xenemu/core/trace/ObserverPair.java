package io.xenemu.core.trace;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallObserver;
import io.xenemu.core.hypercall.HypercallOp;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Two observers of one vCPU's hypercalls. Each sees only the calls that it takes. For the vCPU's thread.
final class ObserverPair implements HypercallObserver {
    /// As many calls at a time as of [VcpuRecorder]; deeper ones are not observed.
    private static final int DEPTH = 2;

    private final HypercallObserver first;
    private final HypercallObserver second;

    /// Whether each observer has taken the calls that have begun and not ended.
    private final boolean[] firstTakes = new boolean[DEPTH];

    private final boolean[] secondTakes = new boolean[DEPTH];
    private int depth;

    private ObserverPair(HypercallObserver first, HypercallObserver second) {
        this.first = first;
        this.second = second;
    }

    /// An observer for both; null if there is none.
    static @Nullable HypercallObserver of(
            @Nullable HypercallObserver first, @Nullable HypercallObserver second) {
        if (first == null) {
            return second;
        }
        return second == null ? first : new ObserverPair(first, second);
    }

    @Override
    public boolean begin(HypercallContext call, HypercallOp op) {
        if (depth == DEPTH) {
            return false;
        }
        boolean one = first.begin(call, op);
        boolean other = second.begin(call, op);
        if (!one && !other) {
            return false;
        }
        firstTakes[depth] = one;
        secondTakes[depth] = other;
        depth++;
        return true;
    }

    @Override
    public void end(long result) {
        depth--;
        if (firstTakes[depth]) {
            first.end(result);
        }
        if (secondTakes[depth]) {
            second.end(result);
        }
    }

    @Override
    public boolean isWithin() {
        // A call that encloses this one may have begun with one of them alone.
        return depth > 0 || first.isWithin() || second.isWithin();
    }

    @Override
    public void copiedIn(long linear, long physical, MemorySegment bytes, long offset, int length) {
        first.copiedIn(linear, physical, bytes, offset, length);
        second.copiedIn(linear, physical, bytes, offset, length);
    }

    @Override
    public void copiedOut(
            long linear, long physical, MemorySegment bytes, long offset, int length) {
        first.copiedOut(linear, physical, bytes, offset, length);
        second.copiedOut(linear, physical, bytes, offset, length);
    }

    @Override
    public void read(long linear, long physical, long value, int size) {
        first.read(linear, physical, value, size);
        second.read(linear, physical, value, size);
    }

    @Override
    public void written(long linear, long physical, long value, int size) {
        first.written(linear, physical, value, size);
        second.written(linear, physical, value, size);
    }

    @Override
    public void translated(long linear, long physical, boolean write) {
        first.translated(linear, physical, write);
        second.translated(linear, physical, write);
    }
}
