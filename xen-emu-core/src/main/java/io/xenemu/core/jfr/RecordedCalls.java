package io.xenemu.core.jfr;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallObserver;
import io.xenemu.core.hypercall.HypercallOp;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;

/// Turns one vCPU's hypercalls into events. For the vCPU's thread.
final class RecordedCalls implements HypercallObserver {
    private final int domain;

    /// The calls that have begun and not ended: a multicall, and one call of it.
    private final Deque<HypercallEvent> open = new ArrayDeque<>();

    RecordedCalls(int domain) {
        this.domain = domain;
    }

    @Override
    public boolean begin(HypercallContext call, HypercallOp op) {
        HypercallEvent event =
                new HypercallEvent(domain, call.vcpu().id().value(), op.hypercall(), op.op());
        event.begin();
        open.push(event);
        return true;
    }

    @Override
    public void end(long result) {
        HypercallEvent event = open.pop();
        event.result = result;
        event.commit();
    }

    @Override
    public boolean isWithin() {
        return !open.isEmpty();
    }

    @Override
    public void copiedIn(
            long linear, long physical, MemorySegment bytes, long offset, int length) {}

    @Override
    public void copiedOut(
            long linear, long physical, MemorySegment bytes, long offset, int length) {}

    @Override
    public void read(long linear, long physical, long value, int size) {}

    @Override
    public void written(long linear, long physical, long value, int size) {}

    @Override
    public void translated(long linear, long physical, boolean write) {}
}
