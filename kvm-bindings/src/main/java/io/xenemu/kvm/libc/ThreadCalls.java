package io.xenemu.kvm.libc;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The C functions for threads that wait for many descriptors, for the CPUs that they run on, and for fences between
/// them. Results are as [Libc] says.
///
/// All handles have mmap's signature of six 64-bit registers, for the reason that [Libc] gives.
public final class ThreadCalls {
    private static final int ARGUMENTS = 6;

    // int epoll_create1(int flags);
    private static final MethodHandle EPOLL_CREATE1 = Libc.handle("epoll_create1", ARGUMENTS);
    // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
    private static final MethodHandle EPOLL_CTL = Libc.handle("epoll_ctl", ARGUMENTS);
    // int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);
    private static final MethodHandle EPOLL_WAIT = Libc.handle("epoll_wait", ARGUMENTS);

    /// Apart, since only network interfaces need timers of this kind.
    private static final class Timers {
        // int timerfd_create(int clockid, int flags);
        private static final MethodHandle CREATE = Libc.handle("timerfd_create", ARGUMENTS);
        // int timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
        //                     struct itimerspec *old_value);
        private static final MethodHandle SET = Libc.handle("timerfd_settime", ARGUMENTS);
    }

    /// Apart, since few services set the CPUs of a thread.
    private static final class Affinity {
        // int sched_setaffinity(pid_t pid, size_t cpusetsize, const cpu_set_t *mask);
        private static final MethodHandle SET = Libc.handle("sched_setaffinity", ARGUMENTS);
        // int sched_getaffinity(pid_t pid, size_t cpusetsize, cpu_set_t *mask);
        private static final MethodHandle GET = Libc.handle("sched_getaffinity", ARGUMENTS);
    }

    /// Apart, since only a migration needs them.
    private static final class Barriers {
        private static final long MEMBARRIER = 324;

        // long syscall(long number, ...);
        private static final MethodHandle SYSCALL = Libc.handle("syscall", ARGUMENTS);
    }

    private ThreadCalls() {}

    /// epoll_create1(2).
    public static int epollCreate1(int flags) {
        return call(EPOLL_CREATE1, flags, 0, 0, 0);
    }

    /// epoll_ctl(2).
    public static int epollCtl(int epoll, int operation, int fd, MemorySegment event) {
        return call(EPOLL_CTL, epoll, operation, fd, Libc.address(event, 0));
    }

    /// epoll_wait(2).
    ///
    /// @param events as many `struct epoll_event` as `most`
    /// @param timeout ms; negative for none
    public static int epollWait(int epoll, MemorySegment events, int most, int timeout) {
        MemorySegment errno = CallSlot.current().errno();
        long address = Libc.address(events, 0);
        try {
            return Libc.intResult(
                    (long)
                            EPOLL_WAIT.invokeExact(
                                    errno,
                                    (long) epoll,
                                    address,
                                    (long) most,
                                    (long) timeout,
                                    0L,
                                    0L),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// timerfd_create(2).
    public static int timerfdCreate(int clock, int flags) {
        return call(Timers.CREATE, clock, flags, 0, 0);
    }

    /// timerfd_settime(2) with a time from now, without asking for the old one.
    ///
    /// @param value a `struct itimerspec`
    public static int timerfdSettime(int fd, MemorySegment value) {
        return call(Timers.SET, fd, 0, Libc.address(value, 0), 0);
    }

    /// sched_setaffinity(2) of the calling thread.
    ///
    /// @param mask a bit for each CPU
    public static int setAffinity(MemorySegment mask) {
        return call(Affinity.SET, 0, mask.byteSize(), Libc.address(mask, 0), 0);
    }

    /// sched_getaffinity(2) of the calling thread.
    ///
    /// @param mask receives a bit for each CPU
    public static int getAffinity(MemorySegment mask) {
        return call(Affinity.GET, 0, mask.byteSize(), Libc.address(mask, 0), 0);
    }

    /// membarrier(2), for which glibc has no function.
    public static int membarrier(int command) {
        return call(Barriers.SYSCALL, Barriers.MEMBARRIER, command, 0, 0);
    }

    private static int call(MethodHandle function, long a, long b, long c, long d) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult((long) function.invokeExact(errno, a, b, c, d, 0L, 0L), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }
}
