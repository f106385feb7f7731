package io.xenemu.core.replay;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.BiConsumer;
import java.util.zip.CRC32C;

/// Traces with a change in one record, and a right checksum. The layouts are those of TraceFile and RecordLayout.
public final class ChangedTrace {
    private static final int FILE_HEADER = 12;
    private static final int BLOCK_HEADER = 8;
    private static final int RECORDS = 2;
    private static final int FLAGS = 6;
    private static final byte WITHIN = 4;
    private static final int LOST = 24;
    private static final int RESULT = 88;

    private ChangedTrace() {}

    /// Changes the result of a record.
    public static byte[] result(byte[] trace, int record, long result) {
        return change(trace, record, (bytes, at) -> bytes.putLong(at + RESULT, result));
    }

    /// Changes the number of calls that were lost before a record.
    static byte[] lost(byte[] trace, int record, long lost) {
        return change(trace, record, (bytes, at) -> bytes.putLong(at + LOST, lost));
    }

    /// Changes the last byte of a record, which is one that the call has copied.
    static byte[] lastByte(byte[] trace, int record, int value) {
        return change(
                trace, record, (bytes, at) -> bytes.put(at + bytes.getInt(at) - 1, (byte) value));
    }

    /// Makes all records those of calls of a multicall.
    static byte[] allWithin(byte[] trace) {
        byte[] changed = trace;
        try {
            for (int i = 0; ; i++) {
                changed = change(changed, i, (bytes, at) -> bytes.put(at + FLAGS, WITHIN));
            }
        } catch (IllegalArgumentException e) {
            return changed;
        }
    }

    private static byte[] change(byte[] trace, int record, BiConsumer<ByteBuffer, Integer> change) {
        byte[] changed = trace.clone();
        ByteBuffer bytes = ByteBuffer.wrap(changed).order(ByteOrder.LITTLE_ENDIAN);
        int left = record;
        for (int block = FILE_HEADER; block < changed.length; ) {
            int length = bytes.getInt(block);
            int body = block + BLOCK_HEADER;
            for (int at = body + 1;
                    bytes.get(body) == RECORDS && at < body + length;
                    at += bytes.getInt(at)) {
                if (left == 0) {
                    change.accept(bytes, at);
                    CRC32C crc = new CRC32C();
                    crc.update(changed, body, length);
                    bytes.putInt(block + Integer.BYTES, (int) crc.getValue());
                    return changed;
                }
                left--;
            }
            block = body + length;
        }
        throw new IllegalArgumentException("no record " + record);
    }
}
