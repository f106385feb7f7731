package io.xenemu.kvm.libc;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/// The C functions that every service calls, one method for each. All downcall handles are made here; those of one
/// theme are in [FileCalls], [AtCalls], [SocketCalls], [StreamCalls], [ServerCalls], [ThreadCalls], [UringCalls] and
/// [FaultCalls].
///
/// Every method except [#ioctlWithoutErrno] follows the kernel's convention instead of C's: a result of zero or more is
/// success, a negative one is the negated errno. So there is no errno to read afterwards, and none that two threads
/// could share. Only the calls that take a name allocate.
///
/// The JVM generates code for each distinct signature, at about ten milliseconds each, which is a large part of the
/// start time. So all handles have the same signature, except mmap's and KVM_RUN's. That works because x86-64 passes
/// every integer and pointer in a 64-bit register, and a function reads only the registers and bits that its prototype
/// names.
public final class Libc {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final SymbolLookup SYMBOLS = LINKER.defaultLookup();
    private static final long ERRNO =
            Linker.Option.captureStateLayout()
                    .byteOffset(MemoryLayout.PathElement.groupElement("errno"));

    /// `CLOCK_THREAD_CPUTIME_ID`.
    private static final int THREAD_CPU_TIME = 3;

    private static final long NANOS_PER_SECOND = 1_000_000_000;

    /// The arguments of every handle but mmap's: functions with fewer parameters ignore the other registers.
    static final int ARGUMENTS = 3;

    // int open(const char *pathname, int flags, ...);
    private static final MethodHandle OPEN = handle("open", ARGUMENTS);
    // int close(int fd);
    private static final MethodHandle CLOSE = handle("close", ARGUMENTS);
    // ssize_t read(int fd, void *buf, size_t count);
    private static final MethodHandle READ = handle("read", ARGUMENTS);
    // ssize_t write(int fd, const void *buf, size_t count);
    private static final MethodHandle WRITE = handle("write", ARGUMENTS);
    // int ioctl(int fd, unsigned long request, ...);
    private static final MethodHandle IOCTL = handle("ioctl", ARGUMENTS);
    // int fcntl(int fd, int op, ...);
    private static final MethodHandle FCNTL = handle("fcntl", ARGUMENTS);
    // int eventfd(unsigned int initval, int flags);
    private static final MethodHandle EVENTFD = handle("eventfd", ARGUMENTS);
    // int memfd_create(const char *name, unsigned int flags);
    private static final MethodHandle MEMFD_CREATE = handle("memfd_create", ARGUMENTS);
    // int ftruncate(int fd, off_t length);
    private static final MethodHandle FTRUNCATE = handle("ftruncate", ARGUMENTS);
    // int munmap(void *addr, size_t length);
    private static final MethodHandle MUNMAP = handle("munmap", ARGUMENTS);
    // int madvise(void *addr, size_t length, int advice);
    private static final MethodHandle MADVISE = handle("madvise", ARGUMENTS);
    // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact);
    private static final MethodHandle SIGACTION = handle("sigaction", ARGUMENTS);
    // pid_t gettid(void);
    private static final MethodHandle GETTID = handle("gettid", ARGUMENTS);
    // pid_t getpid(void);
    private static final MethodHandle GETPID = handle("getpid", ARGUMENTS);
    // int tgkill(pid_t tgid, pid_t tid, int sig);
    private static final MethodHandle TGKILL = handle("tgkill", ARGUMENTS);
    // int clock_gettime(clockid_t clockid, struct timespec *tp);
    private static final MethodHandle CLOCK_GETTIME = handle("clock_gettime", ARGUMENTS);

    /// Apart, since a service without guests has no use for its code.
    private static final class SixArguments {
        // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
        private static final MethodHandle MMAP = handle("mmap", 6);
    }

    /// For the same reason.
    private static final class WithoutErrno {
        // int ioctl(int fd, unsigned long request, ...);
        private static final MethodHandle IOCTL = downcall("ioctl", ARGUMENTS);
    }

    private Libc() {}

    /// open(2) of a file that exists.
    public static int open(String path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return call(OPEN, arena.allocateFrom(path).address(), flags);
        }
    }

    /// close(2).
    public static int close(int fd) {
        return call(CLOSE, fd);
    }

    /// read(2) into the front of a buffer.
    public static long read(int fd, MemorySegment buffer, long count) {
        MemorySegment errno = CallSlot.current().errno();
        long address = address(buffer, count);
        try {
            return longResult((long) READ.invokeExact(errno, (long) fd, address, count), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// write(2) of the front of a buffer.
    public static long write(int fd, MemorySegment buffer, long count) {
        MemorySegment errno = CallSlot.current().errno();
        long address = address(buffer, count);
        try {
            return longResult((long) WRITE.invokeExact(errno, (long) fd, address, count), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// ioctl(2) with a number as argument.
    public static int ioctl(int fd, long request, long argument) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return intResult((long) IOCTL.invokeExact(errno, (long) fd, request, argument), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// ioctl(2) with a number as argument, for a loop: the JVM would fetch errno after each call, by three functions of
    /// its own and libc's.
    ///
    /// @return the result, or -1 for a failure: a call that may be repeated says why through [#ioctl]
    public static int ioctlWithoutErrno(int fd, long request, long argument) {
        try {
            return (int) (long) WithoutErrno.IOCTL.invokeExact((long) fd, request, argument);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// ioctl(2) with a pointer to a structure, which must stay alive during the call.
    public static int ioctl(int fd, long request, MemorySegment argument) {
        return ioctl(fd, request, address(argument, 0));
    }

    /// fcntl(2) with a number as argument.
    public static int fcntl(int fd, int operation, long argument) {
        return call(FCNTL, fd, operation, argument);
    }

    /// eventfd(2).
    public static int eventfd(int initial, int flags) {
        return call(EVENTFD, initial, flags);
    }

    /// memfd_create(2).
    public static int memfdCreate(String name, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return call(MEMFD_CREATE, arena.allocateFrom(name).address(), flags);
        }
    }

    /// ftruncate(2).
    public static int ftruncate(int fd, long length) {
        return call(FTRUNCATE, fd, length);
    }

    /// mmap(2): the address, or the negated errno; user addresses are never negative.
    public static long mmap(
            long address, long length, int protection, int flags, int fd, long offset) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return longResult(
                    (long)
                            SixArguments.MMAP.invokeExact(
                                    errno,
                                    address,
                                    length,
                                    (long) protection,
                                    (long) flags,
                                    (long) fd,
                                    offset),
                    errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// munmap(2).
    public static int munmap(long address, long length) {
        return call(MUNMAP, address, length);
    }

    /// madvise(2).
    public static int madvise(long address, long length, int advice) {
        return call(MADVISE, address, length, advice);
    }

    /// sigaction(2), without asking for the old action.
    public static int sigaction(int signal, MemorySegment action) {
        return call(SIGACTION, signal, address(action, 0), 0);
    }

    /// gettid(2): the kernel's id of the calling thread; cannot fail.
    public static int gettid() {
        return call(GETTID);
    }

    /// getpid(2); cannot fail.
    public static int getpid() {
        return call(GETPID);
    }

    /// tgkill(2): sends a signal to one thread.
    public static int tgkill(int process, int thread, int signal) {
        return call(TGKILL, process, thread, signal);
    }

    /// clock_gettime(2) of the calling thread's CPU time (`CLOCK_THREAD_CPUTIME_ID`), in the kernel, in guests and
    /// outside, in nanoseconds; cannot fail.
    public static long threadCpuTime() {
        MemorySegment time = CallSlot.current().scratch();
        int _ = call(CLOCK_GETTIME, THREAD_CPU_TIME, time.address());
        return time.get(JAVA_LONG, 0) * NANOS_PER_SECOND + time.get(JAVA_LONG, Long.BYTES);
    }

    /// The address of a function of the C library, for use as a signal handler; never called from here.
    static long addressOf(String function) {
        return SYMBOLS.findOrThrow(function).address();
    }

    // For calls that need not be fast: a handle that is not a constant to the compiler.

    private static int call(MethodHandle function) {
        return call(function, 0, 0, 0);
    }

    private static int call(MethodHandle function, long a) {
        return call(function, a, 0, 0);
    }

    private static int call(MethodHandle function, long a, long b) {
        return call(function, a, b, 0);
    }

    static int call(MethodHandle function, long a, long b, long c) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return intResult((long) function.invokeExact(errno, a, b, c), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// The result of a function that returns `int`: only the low half of the register is valid.
    static int intResult(long register, MemorySegment errno) {
        int value = (int) register;
        return value == -1 ? -errno.get(JAVA_INT, ERRNO) : value;
    }

    static long longResult(long register, MemorySegment errno) {
        return register == -1 ? -errno.get(JAVA_INT, ERRNO) : register;
    }

    /// The address of native memory that has at least this many bytes, checked to be alive.
    static long address(MemorySegment memory, long count) {
        if (!memory.isNative() || count > memory.byteSize() || !memory.scope().isAlive()) {
            throw new IllegalArgumentException("cannot pass " + count + " bytes at " + memory);
        }
        return memory.address();
    }

    static MethodHandle handle(String function, int arguments) {
        return downcall(function, arguments, Linker.Option.captureCallState("errno"));
    }

    // SAFETY: the class comment says why three or six 64-bit integers serve all C prototypes, which
    // are above the handles. No function here takes floating-point arguments, so variadic ones need
    // no count of vector registers. Addresses come from [#address], or the caller's SAFETY comment
    // covers them.
    @SuppressWarnings("restricted")
    private static MethodHandle downcall(String function, int arguments, Linker.Option... options) {
        MemoryLayout[] registers = new MemoryLayout[arguments];
        Arrays.fill(registers, JAVA_LONG);
        return LINKER.downcallHandle(
                SYMBOLS.findOrThrow(function),
                FunctionDescriptor.of(JAVA_LONG, registers),
                options);
    }

    /// The cause of a failed downcall. It is an error of the JVM or of this module, since a downcall throws nothing
    /// checked.
    static Error unexpected(Throwable t) {
        if (t instanceof RuntimeException e) {
            throw e;
        }
        return t instanceof Error e ? e : new AssertionError(t);
    }
}
