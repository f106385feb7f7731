package io.xenemu.core.replay;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
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
    private static final int FIRST_ACCESS = 96 + 19;
    private static final int ENTRY_ARGUMENTS = 16;
    private static final byte STATE = 4;
    private static final int FRAMES_HEADER = 12;
    private static final int FRAME_HEADER = 12;
    private static final int FRAME_LENGTH = 8;
    private static final int MOST_CHANGES = 4;

    /// Beyond them a state has only the contents of pages.
    private static final int MOST_BYTES = 16 << 10;

    private static final int[] VALUES = {0, 1, 2, 3, 4, 0x7f, 0x80, 0xfe, 0xff};
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

    /// Makes a record that of a call that is not within a multicall.
    static byte[] outside(byte[] trace, int record) {
        return change(trace, record, (bytes, at) -> bytes.put(at + FLAGS, (byte) 0));
    }

    /// Changes the first call of the list of a multicall, which a 64-bit caller has made.
    static byte[] firstOfMulticall(byte[] trace, int record, long number, long command) {
        return change(
                trace,
                record,
                (bytes, at) ->
                        bytes.putLong(at + FIRST_ACCESS, number)
                                .putLong(at + FIRST_ACCESS + ENTRY_ARGUMENTS, command));
    }

    /// Changes a few numbers anywhere in a trace: in its header, in its domain's state, or in its records.
    static byte[] anywhere(byte[] trace, Random random) {
        byte[] changed = trace.clone();
        ByteBuffer bytes = ByteBuffer.wrap(changed).order(ByteOrder.LITTLE_ENDIAN);
        List<Integer> blocks = new ArrayList<>();
        for (int at = FILE_HEADER; at < changed.length; at += BLOCK_HEADER + bytes.getInt(at)) {
            blocks.add(at);
        }
        for (int left = 1 + random.nextInt(MOST_CHANGES); left > 0; left--) {
            int block = blocks.get(random.nextInt(blocks.size()));
            int length = bytes.getInt(block) - 1;
            if (length > 0) {
                int at = block + BLOCK_HEADER + 1 + random.nextInt(Math.min(length, MOST_BYTES));
                changed[at] = (byte) VALUES[random.nextInt(VALUES.length)];
            }
        }
        for (int block : blocks) {
            if (bytes.get(block + BLOCK_HEADER) == STATE) {
                sealFrames(
                        bytes,
                        block + BLOCK_HEADER + 1,
                        block + BLOCK_HEADER + bytes.getInt(block));
            }
            seal(bytes, block + BLOCK_HEADER, bytes.getInt(block), block + Integer.BYTES);
        }
        return changed;
    }

    /// Makes the checksums of the frames right that are whole in one block.
    private static void sealFrames(ByteBuffer bytes, int from, int end) {
        int at = from + FRAMES_HEADER;
        while (at + FRAME_HEADER <= end) {
            int length = bytes.getInt(at + FRAME_LENGTH);
            if (length < 0 || length > end - at - FRAME_HEADER - Integer.BYTES) {
                return;
            }
            seal(bytes, at, FRAME_HEADER + length, at + FRAME_HEADER + length);
            at += FRAME_HEADER + length + Integer.BYTES;
        }
    }

    private static void seal(ByteBuffer bytes, int from, int length, int checksum) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.slice(from, length));
        bytes.putInt(checksum, (int) crc.getValue());
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
