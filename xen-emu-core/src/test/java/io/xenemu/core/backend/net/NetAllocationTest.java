package io.xenemu.core.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.sun.management.ThreadMXBean;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.testing.LeastAllocation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/// A frame in either direction allocates nothing.
class NetAllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final int FRAMES = 2000;

    private static final int FRAME = 9000;
    private static final RxFeatures ALL = new RxFeatures(true, true, true, true, true, 0);

    /// Pages without a record of their use.
    private record Plain(MemorySegment memory) implements GrantedPages {
        @Override
        public boolean pin(int place, int gref, boolean readOnly) {
            return true;
        }

        @Override
        public MemorySegment memory(int place) {
            return memory;
        }

        @Override
        public long offset(int place) {
            return (long) place * GuestMemory.PAGE_SIZE;
        }

        @Override
        public void unpin(int place) {}
    }

    /// A host that takes frames, and has one each second time.
    private static final class Endless implements FramePort {
        private int calls;

        @Override
        public boolean canSend() {
            return true;
        }

        @Override
        public boolean flush() {
            return false;
        }

        @Override
        public long send(IoVectors frame) {
            return frame.bytes();
        }

        @Override
        public long receive(IoVectors frame) {
            return (++calls & 1) == 0 ? -11 : VnetHeader.BYTES + FRAME;
        }
    }

    @Test
    void framesAllocateNothing() throws Exception {
        assumeFalse(
                ManagementFactory.getRuntimeMXBean()
                        .getInputArguments()
                        .contains("-XX:TieredStopAtLevel=1"),
                "needs the JVM's second compiler");
        try (Arena arena = Arena.ofShared()) {
            FrontTx tx = new FrontTx(arena);
            FrontRx rx = new FrontRx(arena, ALL, new MulticastFilter(false));
            Plain pages =
                    new Plain(
                            arena.allocate(
                                    (long) RxWindow.CAPACITY * GuestMemory.PAGE_SIZE,
                                    GuestMemory.PAGE_SIZE));
            MulticastFilter filter = new MulticastFilter(true);
            TxQueue txQueue =
                    new TxQueue(
                            tx.ring.served(arena),
                            pages,
                            new Endless(),
                            new TxCredit(TxCredit.Rate.UNLIMITED, 0),
                            filter,
                            new QueueCounters(),
                            arena);
            RxQueue rxQueue =
                    new RxQueue(
                            rx.ring.served(arena),
                            pages,
                            new Endless(),
                            ALL,
                            filter,
                            new QueueCounters(),
                            arena);
            assertEquals(
                    0,
                    LeastAllocation.among(() -> exchange(tx, rx, txQueue, rxQueue)),
                    "bytes for " + FRAMES + " frames in each direction");
        }
    }

    /// @return the bytes that the queues have allocated
    private static long exchange(FrontTx tx, FrontRx rx, TxQueue txQueue, RxQueue rxQueue) {
        long allocated = 0;
        for (int i = 0; i < FRAMES; i++) {
            tx.data(0, 0, 0, 4000, Netif.TX_MORE_DATA);
            tx.data(1, 1, 0, 2000, 0);
            rx.post(3);
            long before = THREADS.getCurrentThreadAllocatedBytes();
            txQueue.work(8, 0);
            txQueue.publish();
            rxQueue.work(8, 0);
            rxQueue.publish();
            allocated += THREADS.getCurrentThreadAllocatedBytes() - before;
            tx.answers();
            rx.answers();
        }
        return allocated;
    }
}
