package io.xenemu.kvm.thread;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.ThreadCalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;

/// The CPUs that a thread may run on (sched_setaffinity(2)).
public final class CpuAffinity {
    /// The most CPUs that Linux can be built for on x86-64 (`NR_CPUS`).
    public static final int MAX_CPUS = 8192;

    private CpuAffinity() {}

    /// The CPUs that the calling thread may run on. A new thread has those of its creator.
    ///
    /// @throws KvmException if the kernel does not tell
    public static BitSet current() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mask = arena.allocate(MAX_CPUS / Byte.SIZE, Long.BYTES);
            require("sched_getaffinity", ThreadCalls.getAffinity(mask), "");
            return BitSet.valueOf(mask.toArray(JAVA_BYTE));
        }
    }

    /// Lets the calling thread run on these CPUs alone. Those that the host does not have count for nothing.
    ///
    /// @throws IllegalArgumentException for a CPU of [#MAX_CPUS] or more
    /// @throws KvmException EINVAL if the process may use none of them
    public static void set(BitSet cpus) {
        if (cpus.length() > MAX_CPUS) {
            throw new IllegalArgumentException("no host has the CPU " + (cpus.length() - 1));
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mask = arena.allocate(MAX_CPUS / Byte.SIZE, Long.BYTES);
            byte[] bits = cpus.toByteArray();
            MemorySegment.copy(bits, 0, mask, JAVA_BYTE, 0, bits.length);
            require("sched_setaffinity", ThreadCalls.setAffinity(mask), "CPUs " + cpus);
        }
    }

    private static void require(String call, int result, String hint) {
        if (result < 0) {
            throw new KvmException(call, -result, hint);
        }
    }
}
