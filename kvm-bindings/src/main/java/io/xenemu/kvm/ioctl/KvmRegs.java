package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/// `struct kvm_regs`: either a copy of its own, or the live one in a vCPU's [KvmRun]. Not thread-safe; does not
/// allocate when read or written.
public final class KvmRegs {
    private final MemorySegment memory;

    KvmRegs(MemorySegment memory) {
        this.memory = memory;
    }

    /// A copy with all registers zero.
    public KvmRegs() {
        this(MemorySegment.ofArray(new long[Gpr.values().length]));
    }

    /// A copy from the bytes of [#toBytes].
    ///
    /// @throws IllegalArgumentException if the length is not the structure's
    public static KvmRegs of(byte[] saved) {
        KvmRegs regs = new KvmRegs();
        if (saved.length != regs.memory.byteSize()) {
            throw new IllegalArgumentException("kvm_regs of " + saved.length + " bytes");
        }
        MemorySegment.copy(saved, 0, regs.memory, JAVA_BYTE, 0, saved.length);
        return regs;
    }

    /// A register's value.
    public long get(Gpr register) {
        return memory.get(JAVA_LONG, register.offset());
    }

    /// Sets a register, and returns this.
    public KvmRegs set(Gpr register, long value) {
        memory.set(JAVA_LONG, register.offset(), value);
        return this;
    }

    /// The structure's bytes, for saved state.
    public byte[] toBytes() {
        return memory.toArray(JAVA_BYTE);
    }

    MemorySegment memory() {
        return memory;
    }
}
