package io.xenemu.kvm.net;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.SocketCalls;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/// A fixed set of descriptors that one thread waits for (poll(2)). Waiting does not allocate. Not thread-safe.
public final class PollSet {
    private static final short POLLIN = 1;
    private static final int EVENTS = 4;
    private static final int READY = 6;

    private final MemorySegment array;
    private final int count;

    /// @param memory gives the array, 8 bytes for each descriptor
    /// @param descriptors their numbers; they stay open as long as anybody waits
    public PollSet(SegmentAllocator memory, int... descriptors) {
        count = descriptors.length;
        array = memory.allocate((long) count * SocketCalls.POLLFD_BYTES, Integer.BYTES);
        for (int i = 0; i < count; i++) {
            array.set(JAVA_INT, at(i), descriptors[i]);
            want(i, true);
        }
    }

    private static long at(int index) {
        return (long) index * SocketCalls.POLLFD_BYTES;
    }

    /// Chooses whether the next waits end when a descriptor can be read. Errors of a descriptor end them anyway.
    public void want(int index, boolean readable) {
        array.set(JAVA_SHORT, at(index) + EVENTS, readable ? POLLIN : 0);
    }

    /// Waits until a wanted descriptor can be read, a signal comes, or the time is over.
    ///
    /// @param timeout ms; negative waits without a limit
    public void await(int timeout) {
        int result = SocketCalls.poll(array, count, timeout);
        if (result < 0 && result != -Errno.EINTR) {
            throw new KvmException("poll", -result, count + " descriptors");
        }
    }

    /// Whether the last [#await] has found the descriptor readable, or in error.
    public boolean isReady(int index) {
        return array.get(JAVA_SHORT, at(index) + READY) != 0;
    }
}
