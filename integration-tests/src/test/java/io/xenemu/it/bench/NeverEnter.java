package io.xenemu.it.bench;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// Makes the kernel answer KVM_RUN with 0 before it comes to KVM, by a seccomp filter, for the calling thread and for
/// good. That is the cheapest real exit; a guest's takes microseconds. `exits.c` has the same filter.
final class NeverEnter {
    private static final int PR_SET_SECCOMP = 22;
    private static final int PR_SET_NO_NEW_PRIVS = 38;
    private static final long SECCOMP_MODE_FILTER = 2;
    private static final int SECCOMP_RET_ERRNO = 0x0005_0000;
    private static final int SECCOMP_RET_ALLOW = 0x7fff_0000;
    private static final int LOAD = 0x20;
    private static final int JUMP_IF_EQUAL = 0x15;
    private static final int RETURN = 0x06;

    /// Offsets in `struct seccomp_data`: the system call's number, and the low half of its second argument.
    private static final int NUMBER = 0;

    private static final int REQUEST = 24;
    private static final int SYS_IOCTL = 16;
    private static final int KVM_RUN = 0xae80;

    /// Each instruction is `struct sock_filter`: code, jumps if true and if false, operand.
    private static final int[][] FILTER = {
        {LOAD, 0, 0, NUMBER},
        {JUMP_IF_EQUAL, 0, 3, SYS_IOCTL},
        {LOAD, 0, 0, REQUEST},
        {JUMP_IF_EQUAL, 0, 1, KVM_RUN},
        {RETURN, 0, 0, SECCOMP_RET_ERRNO},
        {RETURN, 0, 0, SECCOMP_RET_ALLOW},
    };

    private static final int INSTRUCTION_BYTES = 8;

    /// `struct sock_fprog`: the number of instructions, and where they are.
    private static final int PROGRAM_BYTES = 16;

    private NeverEnter() {}

    /// Does it.
    static void forThisThread() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment filter = arena.allocate((long) INSTRUCTION_BYTES * FILTER.length, 8);
            for (int i = 0; i < FILTER.length; i++) {
                MemorySegment instruction =
                        filter.asSlice((long) INSTRUCTION_BYTES * i, INSTRUCTION_BYTES);
                instruction.set(JAVA_SHORT, 0, (short) FILTER[i][0]);
                instruction.set(JAVA_BYTE, 2, (byte) FILTER[i][1]);
                instruction.set(JAVA_BYTE, 3, (byte) FILTER[i][2]);
                instruction.set(JAVA_INT, 4, FILTER[i][3]);
            }
            MemorySegment program = arena.allocate(PROGRAM_BYTES, 8);
            program.set(JAVA_SHORT, 0, (short) FILTER.length);
            program.set(JAVA_LONG, 8, filter.address());
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0);
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program.address());
        }
    }

    // SAFETY: int prctl(int op, ...) with up to four arguments of 64 bits; the one pointer is to
    // memory that lives on.
    @SuppressWarnings("restricted")
    private static void prctl(int operation, long first, long second) {
        Linker linker = Linker.nativeLinker();
        MethodHandle prctl =
                linker.downcallHandle(
                        linker.defaultLookup().findOrThrow("prctl"),
                        FunctionDescriptor.of(
                                JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
        int result;
        try {
            result = (int) prctl.invokeExact(operation, first, second, 0L, 0L);
        } catch (Throwable t) {
            throw new AssertionError(t);
        }
        if (result != 0) {
            throw new IllegalStateException("prctl(%d) failed".formatted(operation));
        }
    }
}
