package io.xenemu.kvm.thread;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.CallSlot;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.ThreadCalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Waits for many descriptors (epoll(7)), edge-triggered: a descriptor is told when it becomes readable again, and need
/// not be read for that. An eventfd is told at each signal, signals of one moment together; one that was signalled
/// before it was added is told at once. One that is followed ([#follow]) is told by each [#await] as long as it is
/// ready.
///
/// Any thread may add and remove descriptors. One thread waits. Nothing here allocates but the constructor.
public final class Epoll implements AutoCloseable {
    private static final int EPOLL_CLOEXEC = 0x80000;
    private static final int EPOLL_CTL_ADD = 1;
    private static final int EPOLL_CTL_DEL = 2;
    private static final int EPOLL_CTL_MOD = 3;
    private static final int EPOLLIN = 1;
    private static final int EPOLLOUT = 4;
    private static final int EPOLLERR = 8;
    private static final int EPOLLHUP = 0x10;
    private static final int EPOLLET = 1 << 31;

    /// `struct epoll_event` is packed on x86-64: events u32, then the key u64.
    private static final long EVENT_BYTES = 12;

    private static final long KEY = 4;

    private final OwnedFd fd;
    private final Arena arena;
    private final MemorySegment events;
    private final int most;

    /// @param most descriptors that one [#await] tells
    /// @throws KvmException if the process has no descriptor left
    public Epoll(int most) {
        this.most = most;
        fd = OwnedFd.of("epoll_create1", ThreadCalls.epollCreate1(EPOLL_CLOEXEC), "");
        boolean done = false;
        try {
            arena = Arena.ofShared();
            events = arena.allocate(EVENT_BYTES * most, Long.BYTES);
            done = true;
        } finally {
            if (!done) {
                fd.close();
            }
        }
    }

    /// Begins to wait for a descriptor.
    ///
    /// @param key by which [#await] tells it
    /// @throws KvmException if it cannot be waited for, or is waited for already
    public void add(int descriptor, long key) {
        control(EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLET, key);
    }

    /// Begins to wait for a descriptor that is to be written too: it is also told when it has room again.
    ///
    /// @param key by which [#await] tells it
    /// @throws KvmException if it cannot be waited for, or is waited for already
    public void addBoth(int descriptor, long key) {
        control(EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLOUT | EPOLLET, key);
    }

    /// Keeps a descriptor from waking the waiting thread until [#unmute]. It stays one that is waited for.
    ///
    /// @throws KvmException if it is not waited for
    public void mute(int descriptor) {
        control(EPOLL_CTL_MOD, descriptor, EPOLLET, 0);
    }

    /// Ends [#mute]. A descriptor that is readable now is told at once.
    ///
    /// @param key by which [#await] tells it
    /// @throws KvmException if it is not waited for
    public void unmute(int descriptor, long key) {
        control(EPOLL_CTL_MOD, descriptor, EPOLLIN | EPOLLET, key);
    }

    /// Chooses whether a descriptor is also told when it can be written to again. One that can be already may not be
    /// told: try to write once more after this.
    ///
    /// @param key by which [#await] tells it
    /// @throws KvmException if it is not waited for
    public void writable(int descriptor, long key, boolean told) {
        control(EPOLL_CTL_MOD, descriptor, EPOLLIN | EPOLLET | (told ? EPOLLOUT : 0), key);
    }

    /// Begins to follow a descriptor: each [#await] tells it as long as it is ready, and also when it is broken.
    ///
    /// @param key by which [#await] tells it
    /// @param read whether it is told when it can be read
    /// @param write whether it is told when it can be written to
    /// @throws KvmException if it cannot be waited for, or is waited for already
    public void follow(int descriptor, long key, boolean read, boolean write) {
        control(EPOLL_CTL_ADD, descriptor, level(read, write), key);
    }

    /// Changes what a descriptor is followed for.
    ///
    /// @param key by which [#await] tells it
    /// @throws KvmException if it is not waited for
    public void followed(int descriptor, long key, boolean read, boolean write) {
        control(EPOLL_CTL_MOD, descriptor, level(read, write), key);
    }

    private static int level(boolean read, boolean write) {
        return (read ? EPOLLIN : 0) | (write ? EPOLLOUT : 0);
    }

    /// The number of this object's own descriptor: it becomes readable when [#await] has something to tell, so that
    /// another [Epoll] can wait for all descriptors of this one. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// Ends to wait for a descriptor. A thread in [#await] may still be told of it.
    ///
    /// @throws KvmException if it is not waited for
    public void remove(int descriptor) {
        control(EPOLL_CTL_DEL, descriptor, 0, 0);
    }

    private void control(int operation, int descriptor, int events, long key) {
        MemorySegment event = CallSlot.current().scratch();
        event.set(JAVA_INT, 0, events);
        event.set(JAVA_LONG_UNALIGNED, KEY, key);
        int result = ThreadCalls.epollCtl(fd.number(), operation, descriptor, event);
        if (result < 0) {
            throw new KvmException("epoll_ctl", -result, "");
        }
    }

    /// Waits until a descriptor is readable.
    ///
    /// @param millis the longest wait; negative for none, 0 only looks
    /// @return how many descriptors [#key] tells; 0 after a wait in vain, or a signal to the thread
    public int await(int millis) {
        int count = ThreadCalls.epollWait(fd.number(), events, most, millis);
        if (count < 0 && count != -Errno.EINTR) {
            throw new KvmException("epoll_wait", -count, "");
        }
        return Math.max(0, count);
    }

    /// The key of a descriptor that the last [#await] has told.
    public long key(int index) {
        return events.get(JAVA_LONG_UNALIGNED, index * EVENT_BYTES + KEY);
    }

    /// Whether a descriptor that the last [#await] has told can be read, or is broken.
    public boolean isReadable(int index) {
        return (events(index) & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    }

    /// Whether a descriptor that the last [#await] has told can be written to, or is broken.
    public boolean isWritable(int index) {
        return (events(index) & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
    }

    private int events(int index) {
        return events.get(JAVA_INT_UNALIGNED, index * EVENT_BYTES);
    }

    /// Whether a descriptor that the last [#await] has told is broken: it has an error, or its other end is closed.
    /// That is told also of one that is not waited for to be readable.
    public boolean isBroken(int index) {
        return (events(index) & (EPOLLERR | EPOLLHUP)) != 0;
    }

    /// No thread waits any more.
    @Override
    public void close() {
        fd.close();
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
