package io.xenemu.kvm.thread;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.CallSlot;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.ThreadCalls;
import java.lang.foreign.MemorySegment;

/// A timer as a descriptor, for [Epoll] (timerfd_create(2)), which becomes readable when its time has passed. It need
/// not be read: setting it again makes it unreadable until then. Setting does not allocate.
public final class TimerFd implements AutoCloseable {
    private static final int CLOCK_MONOTONIC = 1;
    private static final int TFD_NONBLOCK_CLOEXEC = 0x800 | 0x80000;
    private static final long NANOS_PER_SECOND = 1_000_000_000;

    /// Offsets in `struct itimerspec`: the interval's 16 bytes stay zero.
    private static final long INTERVAL_NANOS = 8;

    private static final long VALUE_SECONDS = 16;
    private static final long VALUE_NANOS = 24;

    private final OwnedFd fd;

    /// A timer that is not set.
    ///
    /// @throws KvmException if the process has no descriptor left
    public TimerFd() {
        fd =
                OwnedFd.of(
                        "timerfd_create",
                        ThreadCalls.timerfdCreate(CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC),
                        "");
    }

    /// The descriptor's number. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// Sets the timer, once, instead of an earlier time.
    ///
    /// @param nanos from now, more than 0
    public void set(long nanos) {
        if (nanos <= 0) {
            throw new IllegalArgumentException(nanos + " ns");
        }
        MemorySegment time = CallSlot.current().scratch();
        time.set(JAVA_LONG, 0, 0);
        time.set(JAVA_LONG, INTERVAL_NANOS, 0);
        time.set(JAVA_LONG, VALUE_SECONDS, nanos / NANOS_PER_SECOND);
        time.set(JAVA_LONG, VALUE_NANOS, nanos % NANOS_PER_SECOND);
        int result = ThreadCalls.timerfdSettime(fd.number(), time);
        if (result < 0) {
            throw new KvmException("timerfd_settime", -result, "");
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
