package io.xenemu.kvm.libc;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/// The C functions this project calls, one method for each. All downcall handles are here.
///
/// Every method follows the kernel's convention instead of C's: a result of zero or more is success, a negative one is the
/// negated errno. There is no errno to ask for afterwards, and none that two threads could share. Nothing is allocated,
/// except by the calls that take a name.
public final class Libc {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final SymbolLookup SYMBOLS = LINKER.defaultLookup();
    private static final int FIXED_ARITY = -1;
    private static final long ERRNO =
            Linker.Option.captureStateLayout()
                    .byteOffset(MemoryLayout.PathElement.groupElement("errno"));

    // int open(const char *pathname, int flags, ...);
    private static final MethodHandle OPEN =
            handle("open", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT), 2);
    // int close(int fd);
    private static final MethodHandle CLOSE =
            handle("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT), FIXED_ARITY);
    // ssize_t read(int fd, void *buf, size_t count);
    private static final MethodHandle READ =
            handle(
                    "read",
                    FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG),
                    FIXED_ARITY);
    // ssize_t write(int fd, const void *buf, size_t count);
    private static final MethodHandle WRITE =
            handle(
                    "write",
                    FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG),
                    FIXED_ARITY);
    // int ioctl(int fd, unsigned long request, ...);
    private static final MethodHandle IOCTL =
            handle("ioctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG), 2);
    private static final MethodHandle IOCTL_POINTER =
            handle("ioctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS), 2);
    // int fcntl(int fd, int op, ...);
    private static final MethodHandle FCNTL =
            handle("fcntl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG), 2);
    // int eventfd(unsigned int initval, int flags);
    private static final MethodHandle EVENTFD =
            handle("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT), FIXED_ARITY);
    // int memfd_create(const char *name, unsigned int flags);
    private static final MethodHandle MEMFD_CREATE =
            handle("memfd_create", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT), FIXED_ARITY);
    // int ftruncate(int fd, off_t length);
    private static final MethodHandle FTRUNCATE =
            handle("ftruncate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG), FIXED_ARITY);
    // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
    private static final MethodHandle MMAP =
            handle(
                    "mmap",
                    FunctionDescriptor.of(
                            JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
                            JAVA_LONG),
                    FIXED_ARITY);
    // int munmap(void *addr, size_t length);
    private static final MethodHandle MUNMAP =
            handle("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG), FIXED_ARITY);
    // int madvise(void *addr, size_t length, int advice);
    private static final MethodHandle MADVISE =
            handle(
                    "madvise",
                    FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT),
                    FIXED_ARITY);
    // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact);
    private static final MethodHandle SIGACTION =
            handle(
                    "sigaction",
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS),
                    FIXED_ARITY);
    // pid_t gettid(void);
    private static final MethodHandle GETTID =
            handle("gettid", FunctionDescriptor.of(JAVA_INT), FIXED_ARITY);
    // pid_t getpid(void);
    private static final MethodHandle GETPID =
            handle("getpid", FunctionDescriptor.of(JAVA_INT), FIXED_ARITY);
    // int tgkill(pid_t tgid, pid_t tid, int sig);
    private static final MethodHandle TGKILL =
            handle(
                    "tgkill",
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT),
                    FIXED_ARITY);

    private Libc() {}

    /// open(2).
    public static int open(String path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment errno = CallSlot.current().errno();
            return result((int) OPEN.invokeExact(errno, arena.allocateFrom(path), flags), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// close(2).
    public static int close(int fd) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) CLOSE.invokeExact(errno, fd), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// read(2) of at most the whole buffer.
    public static long read(int fd, MemorySegment buffer, long count) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((long) READ.invokeExact(errno, fd, buffer, count), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// write(2) of at most the whole buffer.
    public static long write(int fd, MemorySegment buffer, long count) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((long) WRITE.invokeExact(errno, fd, buffer, count), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// ioctl(2) whose argument is a number.
    public static int ioctl(int fd, long request, long argument) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) IOCTL.invokeExact(errno, fd, request, argument), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// ioctl(2) whose argument points to a structure, which stays alive for the length of the call.
    public static int ioctl(int fd, long request, MemorySegment argument) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) IOCTL_POINTER.invokeExact(errno, fd, request, argument), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// fcntl(2) whose argument is a number.
    public static int fcntl(int fd, int operation, long argument) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) FCNTL.invokeExact(errno, fd, operation, argument), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// eventfd(2).
    public static int eventfd(int initial, int flags) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) EVENTFD.invokeExact(errno, initial, flags), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// memfd_create(2).
    public static int memfdCreate(String name, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment errno = CallSlot.current().errno();
            return result(
                    (int) MEMFD_CREATE.invokeExact(errno, arena.allocateFrom(name), flags), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// ftruncate(2).
    public static int ftruncate(int fd, long length) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) FTRUNCATE.invokeExact(errno, fd, length), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// mmap(2): the address, or the negated errno; user addresses are never negative.
    public static long mmap(
            long address, long length, int protection, int flags, int fd, long offset) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result(
                    (long) MMAP.invokeExact(errno, address, length, protection, flags, fd, offset),
                    errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// munmap(2).
    public static int munmap(long address, long length) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) MUNMAP.invokeExact(errno, address, length), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// madvise(2).
    public static int madvise(long address, long length, int advice) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) MADVISE.invokeExact(errno, address, length, advice), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// sigaction(2), the old action not asked for.
    public static int sigaction(int signal, MemorySegment action) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result(
                    (int) SIGACTION.invokeExact(errno, signal, action, MemorySegment.NULL), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// gettid(2): the kernel's id of the calling thread; cannot fail.
    public static int gettid() {
        try {
            return (int) GETTID.invokeExact(CallSlot.current().errno());
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// getpid(2); cannot fail.
    public static int getpid() {
        try {
            return (int) GETPID.invokeExact(CallSlot.current().errno());
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// tgkill(2): sends a signal to one thread.
    public static int tgkill(int process, int thread, int signal) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return result((int) TGKILL.invokeExact(errno, process, thread, signal), errno);
        } catch (Throwable t) {
            throw unexpected(t);
        }
    }

    /// The address of a function of the C library, for use as a signal handler; it is never called from here.
    static long addressOf(String function) {
        return SYMBOLS.findOrThrow(function).address();
    }

    private static int result(int value, MemorySegment errno) {
        return value == -1 ? -errno.get(JAVA_INT, ERRNO) : value;
    }

    private static long result(long value, MemorySegment errno) {
        return value == -1 ? -errno.get(JAVA_INT, ERRNO) : value;
    }

    // SAFETY: each descriptor above repeats the C prototype beside it for x86-64 (int 32 bits;
    // long, size_t and pointers
    // 64), variadic functions name their first variadic argument, and buffer arguments are passed
    // with a count that the
    // callers in this module take from the segment itself.
    @SuppressWarnings("restricted")
    private static MethodHandle handle(
            String function, FunctionDescriptor descriptor, int firstVariadic) {
        Linker.Option errno = Linker.Option.captureCallState("errno");
        MemorySegment symbol = SYMBOLS.findOrThrow(function);
        return firstVariadic == FIXED_ARITY
                ? LINKER.downcallHandle(symbol, descriptor, errno)
                : LINKER.downcallHandle(
                        symbol, descriptor, errno, Linker.Option.firstVariadicArg(firstVariadic));
    }

    /// A downcall itself throws nothing checked; what comes here is an error of the JVM or of this module.
    private static Error unexpected(Throwable t) {
        if (t instanceof RuntimeException e) {
            throw e;
        }
        return t instanceof Error e ? e : new AssertionError(t);
    }
}
