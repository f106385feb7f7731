package io.xenemu.core.trace;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Records of one vCPU's calls on their way to the reader of a trace. The vCPU's thread writes, one other thread reads.
/// Neither waits for the other: a record that does not fit is lost, and the writer counts it.
final class CallRing {
    private static final VarHandle WRITTEN;
    private static final VarHandle READ;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            WRITTEN = lookup.findVarHandle(CallRing.class, "written", long.class);
            READ = lookup.findVarHandle(CallRing.class, "read", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final byte[] bytes;
    private final ByteBuffer numbers;

    /// Bytes ever written and read. Their difference is the number of bytes in the ring.
    @SuppressWarnings("UnusedVariable") // by WRITTEN
    private long written;

    @SuppressWarnings("UnusedVariable") // by READ
    private long read;

    /// @param size in bytes, a power of two and larger than any record
    CallRing(int size) {
        if (Integer.bitCount(size) != 1 || size <= RecordLayout.MAX_BYTES) {
            throw new IllegalArgumentException("a ring of " + size + " bytes");
        }
        bytes = new byte[size];
        numbers = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Appends a record, which begins with its own length.
    ///
    /// @return false if there is no room
    boolean offer(byte[] record, int length) {
        long end = (long) WRITTEN.getOpaque(this);
        // Lengths are multiples of eight, so no number straddles the end of the array.
        int room = (length + Long.BYTES - 1) & -Long.BYTES;
        if (end + room - (long) READ.getAcquire(this) > bytes.length) {
            return false;
        }
        int at = at(end);
        int first = Math.min(length, bytes.length - at);
        System.arraycopy(record, 0, bytes, at, first);
        System.arraycopy(record, first, bytes, 0, length - first);
        WRITTEN.setRelease(this, end + room);
        return true;
    }

    /// The number of 64 bits at `offset` of the next record, for the reader alone.
    ///
    /// @param offset a multiple of eight
    long peek(int offset) {
        return numbers.getLong(at((long) READ.getOpaque(this) + offset));
    }

    /// Whether there is a record, for the reader alone.
    boolean hasNext() {
        return (long) WRITTEN.getAcquire(this) != (long) READ.getOpaque(this);
    }

    /// Takes the next record. The ring must not be empty.
    ///
    /// @param target gets its bytes at its position; it has room for [RecordLayout#MAX_BYTES]
    void take(ByteBuffer target) {
        long begin = (long) READ.getOpaque(this);
        int at = at(begin);
        int length = numbers.getInt(at);
        int first = Math.min(length, bytes.length - at);
        target.put(bytes, at, first);
        target.put(bytes, 0, length - first);
        READ.setRelease(this, begin + ((length + Long.BYTES - 1) & -Long.BYTES));
    }

    private int at(long position) {
        return (int) (position & (bytes.length - 1));
    }
}
