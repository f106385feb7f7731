package io.xenemu.core.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// One writer and one reader of a ring.
@Timeout(60)
final class CallRingTest {
    private static final int SIZE = 16 << 10;
    private static final int RECORDS = 200_000;

    /// A record of some length that has its number in it twice.
    private static byte[] record(int number) {
        int length = RecordLayout.ACCESSES + number * 37 % 700;
        ByteBuffer record = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        record.putInt(0, length);
        record.putLong(RecordLayout.END, number);
        record.putInt(length - Integer.BYTES, number);
        return record.array();
    }

    @Test
    void readerGetsEveryRecordThatWasTakenInOrderAndWhole() throws InterruptedException {
        CallRing ring = new CallRing(SIZE);
        Thread writer =
                Thread.ofPlatform()
                        .start(() -> {
                            for (int i = 0; i < RECORDS; ) {
                                byte[] record = record(i);
                                if (ring.offer(record, record.length)) {
                                    i++;
                                } else {
                                    Thread.onSpinWait();
                                }
                            }
                        });
        ByteBuffer target =
                ByteBuffer.allocate(RecordLayout.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < RECORDS; ) {
            if (!ring.hasNext()) {
                Thread.onSpinWait();
                continue;
            }
            assertEquals(i, ring.peek(RecordLayout.END));
            ring.take(target.clear());
            int length = target.getInt(0);
            assertEquals(length, target.position());
            assertEquals(i, target.getInt(length - Integer.BYTES));
            i++;
        }
        writer.join();
        assertFalse(ring.hasNext());
    }

    @Test
    void fullRingTakesNoMoreUntilARecordIsRead() {
        CallRing ring = new CallRing(SIZE);
        byte[] record = record(0);
        int taken = 0;
        while (ring.offer(record, record.length)) {
            taken++;
        }
        assertEquals(SIZE / record.length, taken);
        ring.take(ByteBuffer.allocate(RecordLayout.MAX_BYTES));
        assertTrue(ring.offer(record, record.length));
        assertFalse(ring.offer(record, record.length));
    }
}
