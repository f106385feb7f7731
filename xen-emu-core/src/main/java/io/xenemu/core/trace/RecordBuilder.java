package io.xenemu.core.trace;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.kvm.abi.GuestWidth;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Builds the record of a call while it is served. Reused for each call, without allocation. One thread uses it.
final class RecordBuilder {
    private static final int LENGTH_AT = 1;

    private final byte[] bytes = new byte[RecordLayout.MAX_BYTES];
    private final ByteBuffer record = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);

    /// The last access, which the next one may continue: where its record begins, its kind, and the addresses after it.
    private int last;

    private AccessKind lastKind = AccessKind.IN;
    private long nextLinear;
    private long nextPhysical;
    private boolean isCut;

    /// Begins a record.
    void begin(HypercallContext call, int flags, long time) {
        record.clear();
        last = 0;
        isCut = false;
        int width = call.width() == GuestWidth.BITS_32 ? RecordLayout.NARROW : 0;
        record.putShort(RecordLayout.VCPU, (short) call.vcpu().id().value());
        record.put(RecordLayout.FLAGS, (byte) (flags | width));
        record.put(RecordLayout.CPL, (byte) call.cpl());
        record.putLong(RecordLayout.BEGIN, time);
        record.putLong(RecordLayout.NUMBER, call.number());
        for (int i = 0; i < HypercallContext.PARAMETERS; i++) {
            record.putLong(RecordLayout.PARAMETERS + Long.BYTES * i, call.word(i));
        }
        record.position(RecordLayout.ACCESSES);
    }

    /// Adds an access with its bytes.
    void access(
            AccessKind kind,
            long linear,
            long physical,
            MemorySegment source,
            long offset,
            int length) {
        if (open(kind, linear, physical, length)) {
            MemorySegment.copy(
                    source, ValueLayout.JAVA_BYTE, offset, bytes, record.position(), length);
            record.position(record.position() + length);
        }
    }

    /// Adds an access with the low bytes of a number.
    void access(AccessKind kind, long linear, long physical, long value, int size) {
        if (open(kind, linear, physical, size)) {
            for (int i = 0; i < size; i++) {
                record.put((byte) (value >>> (Byte.SIZE * i)));
            }
        }
    }

    /// Makes room for an access. If it begins where the last one ends, the last one grows.
    private boolean open(AccessKind kind, long linear, long physical, int length) {
        boolean continues =
                last != 0
                        && kind == lastKind
                        && linear == nextLinear
                        && physical == nextPhysical
                        && kind.hasBytes();
        int header = continues ? 0 : RecordLayout.ACCESS_HEADER;
        if (isCut || header + length > record.remaining()) {
            isCut = true;
            return false;
        }
        if (continues) {
            short before = record.getShort(last + LENGTH_AT);
            record.putShort(last + LENGTH_AT, (short) (before + length));
        } else {
            last = record.position();
            lastKind = kind;
            record.put(kind.code()).putShort((short) length);
            record.putLong(linear).putLong(physical);
        }
        nextLinear = linear + length;
        nextPhysical = physical + length;
        return true;
    }

    /// Ends the record.
    ///
    /// @param lost calls of the vCPU that were lost before it
    /// @return its length in bytes
    int end(long result, long time, long lost) {
        int length = record.position();
        record.putInt(0, length);
        if (isCut) {
            record.put(
                    RecordLayout.FLAGS, (byte) (record.get(RecordLayout.FLAGS) | RecordLayout.CUT));
        }
        record.putLong(RecordLayout.END, time);
        record.putLong(RecordLayout.LOST, lost);
        record.putLong(RecordLayout.RESULT, result);
        return length;
    }

    /// The record, from index 0 on.
    byte[] bytes() {
        return bytes;
    }
}
