package io.xenemu.kvm.file;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.Mapping;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.UringCalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// Operations on files that end later, by the kernel's rings (io_uring(7)): one thread at a time submits, one other
/// waits for what has ended. Each operation is one system call at its submission. Nothing allocates but the
/// constructor.
///
/// The memory of an operation stays mapped, and its file open, until [#next] has told its key. The kernel copies an
/// array of vectors at the submission.
public final class IoUring implements AutoCloseable {
    static final long PARAMS_BYTES = 120;
    private static final long P_SQ_ENTRIES = 0;
    private static final long P_CQ_ENTRIES = 4;
    private static final long P_FEATURES = 20;
    private static final long P_SQ_OFF = 40;
    private static final long P_CQ_OFF = 80;

    // struct io_sqring_offsets
    private static final long SQ_TAIL = 4;
    private static final long SQ_ARRAY = 24;

    // struct io_cqring_offsets
    private static final long CQ_HEAD = 0;
    private static final long CQ_TAIL = 4;
    private static final long CQ_CQES = 20;

    private static final long IORING_OFF_SQ_RING = 0;
    private static final long IORING_OFF_SQES = 0x1000_0000;
    private static final int IORING_ENTER_GETEVENTS = 1;

    /// One mapping for both rings, no completion is lost, and what an entry points to is copied (Linux 5.5);
    /// `IORING_FEAT_FAST_POLL` (5.7) says that all operations below exist.
    private static final int NEEDED_FEATURES = 1 | 1 << 1 | 1 << 2 | 1 << 5;

    // struct io_uring_sqe
    private static final long SQE_BYTES = 64;
    private static final long FD = 4;
    private static final long OFF = 8;
    private static final long ADDR = 16;
    private static final long LEN = 24;
    private static final long FSYNC_FLAGS = 28;
    private static final long USER_DATA = 32;

    // struct io_uring_cqe
    private static final long CQE_BYTES = 16;
    private static final long RES = 8;

    private static final byte IORING_OP_NOP = 0;
    private static final byte IORING_OP_READV = 1;
    private static final byte IORING_OP_WRITEV = 2;
    private static final byte IORING_OP_FSYNC = 3;
    private static final byte IORING_OP_FALLOCATE = 17;
    private static final int IORING_FSYNC_DATASYNC = 1;

    private static final VarHandle INDEX = ValueLayout.JAVA_INT.varHandle();

    private final OwnedFd fd;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment rings;
    private final MemorySegment entries;
    private final int submissionMask;
    private final int completionMask;
    private final long submissionTail;
    private final long submissionArray;
    private final long completionHead;
    private final long completionTail;
    private final long completions;
    private long key;
    private int result;

    /// @param size operations in progress at once, a power of two; the caller keeps to it
    /// @throws KvmException if the kernel has no io_uring, or does not allow it
    public IoUring(int size) {
        boolean complete = false;
        OwnedFd made = null;
        try {
            MemorySegment params = arena.allocate(PARAMS_BYTES, Long.BYTES);
            made = OwnedFd.of("io_uring_setup", UringCalls.setup(size, params), "");
            fd = made;
            if ((params.get(JAVA_INT, P_FEATURES) & NEEDED_FEATURES) != NEEDED_FEATURES) {
                throw new KvmException("io_uring_setup", Errno.EOPNOTSUPP, "a kernel before 5.7");
            }
            int submissions = params.get(JAVA_INT, P_SQ_ENTRIES);
            int ends = params.get(JAVA_INT, P_CQ_ENTRIES);
            submissionMask = submissions - 1;
            completionMask = ends - 1;
            submissionTail = offset(params, P_SQ_OFF + SQ_TAIL);
            submissionArray = offset(params, P_SQ_OFF + SQ_ARRAY);
            completionHead = offset(params, P_CQ_OFF + CQ_HEAD);
            completionTail = offset(params, P_CQ_OFF + CQ_TAIL);
            completions = offset(params, P_CQ_OFF + CQ_CQES);
            long length =
                    Math.max(
                            submissionArray + (long) submissions * Integer.BYTES,
                            completions + ends * CQE_BYTES);
            rings = map(IORING_OFF_SQ_RING, length);
            entries = map(IORING_OFF_SQES, submissions * SQE_BYTES);
            complete = true;
        } finally {
            if (!complete) {
                arena.close();
                if (made != null) {
                    made.close();
                }
            }
        }
    }

    private static long offset(MemorySegment params, long at) {
        return Integer.toUnsignedLong(params.get(JAVA_INT, at));
    }

    private MemorySegment map(long offset, long length) {
        return Mapping.map(arena, fd.number(), offset, length, false, "io_uring");
    }

    /// Begins a read into all vectors. As with preadv(2), it may read less.
    ///
    /// @param key by which [#next] tells its end
    /// @return 0 or a negated errno: then it has not begun, and [#next] does not tell it; the same for the others
    public int read(HostFile file, IoVectors into, long offset, long key) {
        return move(IORING_OP_READV, file, into, offset, key);
    }

    /// Begins a write from all vectors. As with pwritev(2), it may write less.
    public int write(HostFile file, IoVectors from, long offset, long key) {
        return move(IORING_OP_WRITEV, file, from, offset, key);
    }

    private int move(byte operation, HostFile file, IoVectors memory, long offset, long key) {
        long entry = entry(operation, file.number(), key);
        entries.set(JAVA_LONG, entry + OFF, offset);
        entries.set(JAVA_LONG, entry + ADDR, memory.arrayAddress());
        entries.set(JAVA_INT, entry + LEN, memory.count());
        return submit();
    }

    /// Begins what [HostFile#sync] does.
    public int sync(HostFile file, long key) {
        long entry = entry(IORING_OP_FSYNC, file.number(), key);
        entries.set(JAVA_INT, entry + FSYNC_FLAGS, IORING_FSYNC_DATASYNC);
        return submit();
    }

    /// Begins what [HostFile#punchHole] does.
    public int punchHole(HostFile file, long offset, long bytes, long key) {
        return allocate(HostFile.PUNCH_HOLE, file, offset, bytes, key);
    }

    /// Begins what [HostFile#zeroRange] does.
    public int zeroRange(HostFile file, long offset, long bytes, long key) {
        return allocate(HostFile.ZERO_RANGE, file, offset, bytes, key);
    }

    private int allocate(int mode, HostFile file, long offset, long bytes, long key) {
        long entry = entry(IORING_OP_FALLOCATE, file.number(), key);
        entries.set(JAVA_LONG, entry + OFF, offset);
        entries.set(JAVA_LONG, entry + ADDR, bytes);
        entries.set(JAVA_INT, entry + LEN, mode);
        return submit();
    }

    /// Begins and ends nothing: wakes the thread in [#await].
    public int wake(long key) {
        long _ = entry(IORING_OP_NOP, -1, key);
        return submit();
    }

    /// The place of the next free entry. There is always one: the kernel takes each before [#submit] returns.
    private long entry(byte operation, int file, long key) {
        int index = rings.get(JAVA_INT, submissionTail) & submissionMask;
        long entry = index * SQE_BYTES;
        for (long at = 0; at < SQE_BYTES; at += Long.BYTES) {
            entries.set(JAVA_LONG, entry + at, 0);
        }
        entries.set(ValueLayout.JAVA_BYTE, entry, operation);
        entries.set(JAVA_INT, entry + FD, file);
        entries.set(JAVA_LONG, entry + USER_DATA, key);
        rings.set(JAVA_INT, submissionArray + (long) index * Integer.BYTES, index);
        return entry;
    }

    private int submit() {
        int tail = rings.get(JAVA_INT, submissionTail);
        INDEX.setRelease(rings, submissionTail, tail + 1);
        int taken;
        do {
            taken = UringCalls.enter(fd.number(), 1, 0, 0);
        } while (taken == -Errno.EINTR);
        if (taken == 1) {
            return 0;
        }
        // Only io_uring_enter reads it, so an entry that was not taken can be withdrawn.
        INDEX.setRelease(rings, submissionTail, tail);
        return taken == 0 ? -Errno.EAGAIN : taken;
    }

    /// Waits until [#next] has something to tell.
    ///
    /// @throws KvmException if the kernel fails
    public void await() {
        int result = UringCalls.enter(fd.number(), 0, 1, IORING_ENTER_GETEVENTS);
        if (result < 0 && result != -Errno.EINTR) {
            throw new KvmException("io_uring_enter", -result, "");
        }
    }

    /// Takes the next operation that has ended: [#key] and [#result] tell of it.
    ///
    /// @return false if there is none
    public boolean next() {
        int head = rings.get(JAVA_INT, completionHead);
        if (head == (int) INDEX.getAcquire(rings, completionTail)) {
            return false;
        }
        long entry = completions + (head & completionMask) * CQE_BYTES;
        key = rings.get(JAVA_LONG, entry);
        result = rings.get(JAVA_INT, entry + RES);
        INDEX.setRelease(rings, completionHead, head + 1);
        return true;
    }

    /// The key of the operation that [#next] has taken.
    public long key() {
        return key;
    }

    /// Its result: bytes, 0, or a negated errno.
    public int result() {
        return result;
    }

    /// Ends the rings. No operation is in progress, and no thread waits.
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
        fd.close();
    }
}
