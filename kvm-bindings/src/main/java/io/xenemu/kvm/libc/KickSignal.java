package io.xenemu.kvm.libc;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/// The signal that makes a thread leave KVM_RUN. Its handler does nothing; the interruption is the whole effect.
///
/// The handler must not be Java: a signal may arrive while the JVM moves objects or holds its locks. So it is `abs`
/// of the C library, a pure function that takes the signal's number in the register of its argument.
public final class KickSignal {
    /// SIGRTMIN + 2 as glibc counts. No other user has it: glibc keeps 32 and 33, the JVM uses 62 to interrupt its
    /// blocking I/O, and SIGUSR2, SIGPROF, SIGQUIT, SIGSEGV and other classic signals.
    public static final int NUMBER = 36;

    private static final String HANDLER = "abs";

    /// glibc's `struct sigaction` on x86-64.
    private static final StructLayout SIGACTION =
            MemoryLayout.structLayout(
                    JAVA_LONG.withName("sa_handler"),
                    MemoryLayout.sequenceLayout(16, JAVA_LONG).withName("sa_mask"),
                    JAVA_INT.withName("sa_flags"),
                    MemoryLayout.paddingLayout(4),
                    JAVA_LONG.withName("sa_restorer"));

    private KickSignal() {}

    /// Installs the handler for the process; repeating it changes nothing. Sets no SA_RESTART, so that interrupted
    /// calls return EINTR.
    public static void install() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment action = arena.allocate(SIGACTION);
            // SAFETY: `abs` is async-signal-safe: it reads one register, writes another and
            // returns.
            action.set(
                    JAVA_LONG,
                    SIGACTION.byteOffset(PathElement.groupElement("sa_handler")),
                    Libc.addressOf(HANDLER));
            int result = Libc.sigaction(NUMBER, action);
            if (result < 0) {
                throw new KvmException("sigaction", -result, "signal " + NUMBER);
            }
        }
    }

    /// Sends the signal to one thread of this process. A thread that has ended is no error.
    ///
    /// @param thread its kernel id, from [Libc#gettid]
    public static void send(int thread) {
        int result = Libc.tgkill(Libc.getpid(), thread, NUMBER);
        if (result < 0 && result != -Errno.ESRCH) {
            throw new KvmException("tgkill", -result, "see RLIMIT_SIGPENDING");
        }
    }
}
