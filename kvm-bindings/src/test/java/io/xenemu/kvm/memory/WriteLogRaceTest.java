package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

/// A write is seen by a log, or it is there when the log has begun. The memory is new, so that each write first waits
/// for the host's page: between the write's begin and its end there is much time.
final class WriteLogRaceTest {
    private static final int PAGES = 64;
    private static final int ROUNDS = 1000;

    @Test
    void writeThatALogDoesNotSeeIsThereWhenTheLogHasBegun() throws Exception {
        Random random = new Random(1);
        try (MemFd file = MemFd.create("race", (long) PAGES * GuestMemory.PAGE_SIZE)) {
            MemorySegment pages = file.map(0, file.size());
            GuestMemory memory = new GuestMemory();
            memory.add(0, pages);
            for (int round = 0; round < ROUNDS; round++) {
                file.discard(pages);
                AtomicInteger at = new AtomicInteger();
                FutureTask<Boolean> writer = new FutureTask<>(() -> write(memory, at));
                Thread.ofPlatform().start(writer);
                int begin = random.nextInt(PAGES);
                while (at.get() < begin) {
                    Thread.onSpinWait();
                }
                AtomicIntegerArray marks = new AtomicIntegerArray(PAGES);
                memory.logTo((address, _) ->
                        marks.set((int) (address - pages.address()) / GuestMemory.PAGE_SIZE, 1));
                BitSet missing = new BitSet();
                for (int page = at.get(); page >= 0; page--) {
                    missing.set(page, word(pages, page) == 0);
                }
                boolean _ = writer.get();
                memory.logTo(null);
                missing.stream()
                        .forEach(page -> assertNotEquals(0, marks.get(page), "page " + page));
            }
        }
    }

    private static boolean write(GuestMemory memory, AtomicInteger at) throws XenError {
        for (int page = 0; page < PAGES; page++) {
            at.set(page);
            memory.write64((long) page * GuestMemory.PAGE_SIZE, 1);
        }
        return true;
    }

    private static long word(MemorySegment pages, int page) {
        return pages.get(ValueLayout.JAVA_LONG, (long) page * GuestMemory.PAGE_SIZE);
    }
}
