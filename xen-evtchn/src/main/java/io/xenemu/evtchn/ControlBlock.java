package io.xenemu.evtchn;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// A vCPU's `struct evtchn_fifo_control_block` in guest memory: which of its queues have events, and the first event
/// of each. Only the bits of `ready` are read back; the guest may change any of it.
final class ControlBlock {
    /// `ready`, a reserved word, and a head for each priority.
    static final int SIZE = 72;

    /// Alignment that Xen requires.
    static final int ALIGNMENT = 8;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final long READY = 0;
    private static final long HEAD = 8;

    final long gfn;
    final int offset;
    private final MemorySegment memory;

    /// @param page the guest's page `gfn`
    /// @param offset of the block in the page, checked by the caller
    ControlBlock(MemorySegment page, long gfn, int offset) {
        this.gfn = gfn;
        this.offset = offset;
        this.memory = page.asSlice(offset, SIZE);
    }

    /// Makes `port` the first of a queue that was empty.
    void head(int priority, int port) {
        WORD.setVolatile(memory, HEAD + (long) Integer.BYTES * priority, port);
    }

    /// Marks a queue as having events.
    ///
    /// @return whether it was not marked before
    boolean ready(int priority) {
        int bit = 1 << priority;
        return ((int) WORD.getAndBitwiseOr(memory, READY, bit) & bit) == 0;
    }

    boolean isReady() {
        return (int) WORD.getVolatile(memory, READY) != 0;
    }
}
