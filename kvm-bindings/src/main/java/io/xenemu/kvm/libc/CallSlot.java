package io.xenemu.kvm.libc;

import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;

/// One thread's memory for calls into C that do not allocate: the captured errno, and room for one small argument.
///
/// The memory belongs to the thread, and no hook runs when a thread ends; only the garbage collector notices. So this
/// is the only place that uses an automatic arena.
public final class CallSlot {
    /// Bytes of [#scratch]: the largest structure passed on a hot path is `kvm_msi` with 32.
    public static final int SCRATCH_BYTES = 64;

    private static final ThreadLocal<CallSlot> CURRENT = ThreadLocal.withInitial(CallSlot::new);

    private final MemorySegment errno;
    private final MemorySegment scratch;

    private CallSlot() {
        Arena arena = Arena.ofAuto();
        this.errno = arena.allocate(Linker.Option.captureStateLayout());
        this.scratch = arena.allocate(SCRATCH_BYTES, Long.BYTES);
    }

    /// The calling thread's slot.
    public static CallSlot current() {
        return CURRENT.get();
    }

    MemorySegment errno() {
        return errno;
    }

    /// [#SCRATCH_BYTES] of native memory with undefined content, valid until the thread's next call that uses it.
    public MemorySegment scratch() {
        return scratch;
    }
}
