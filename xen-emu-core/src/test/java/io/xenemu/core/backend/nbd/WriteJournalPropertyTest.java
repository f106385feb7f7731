package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// A journal against the disk that a dying server leaves.
class WriteJournalPropertyTest {
    private static final int DISK = 4 << 20;

    enum What {
        WRITE,
        ZEROES,
        FLUSH_BEGINS,
        FLUSH_ENDS
    }

    record Step(What what, int offset, int length, byte fill) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Integer> lengths =
                Arbitraries.oneOf(
                        Arbitraries.integers().between(1, 8).map(n -> n * 512),
                        Arbitraries.integers().between(1, 1 << 20));
        return Combinators.combine(
                        Arbitraries.frequencyOf(
                                net.jqwik.api.Tuple.of(6, Arbitraries.just(What.WRITE)),
                                net.jqwik.api.Tuple.of(1, Arbitraries.of(What.class))),
                        Arbitraries.integers().between(0, DISK - (1 << 20)),
                        lengths,
                        Arbitraries.bytes())
                .as(Step::new)
                .list()
                .ofMaxSize(40);
    }

    @Property(tries = 100)
    void replayOnWhatWasFlushedGivesWhatWasAcknowledged(@ForAll("steps") List<Step> steps)
            throws Exception {
        byte[] acknowledged = new byte[DISK];
        byte[] durable = new byte[DISK];
        byte[] flushing = durable;
        long mark = 0;
        try (Arena arena = Arena.ofConfined();
                WriteJournal journal = new WriteJournal()) {
            for (Step step : steps) {
                switch (step.what()) {
                    case WRITE -> {
                        MemorySegment data = arena.allocate(step.length());
                        data.fill(step.fill());
                        IoVectors vectors = new IoVectors(arena, 2);
                        vectors.add(data.address(), step.length());
                        journal.append(step.offset(), vectors, 0, step.length());
                        fill(acknowledged, step, step.fill());
                    }
                    case ZEROES -> {
                        journal.append(NbdProtocol.CMD_WRITE_ZEROES, step.offset(), step.length());
                        fill(acknowledged, step, (byte) 0);
                    }
                    case FLUSH_BEGINS -> {
                        mark = journal.tail();
                        flushing = acknowledged.clone();
                    }
                    case FLUSH_ENDS -> {
                        durable = flushing;
                        journal.dropUntil(mark);
                    }
                }
            }
            byte[] replayed = durable.clone();
            journal.forEach((command, offset, length, data) -> {
                int at = Math.toIntExact(offset);
                if (command == NbdProtocol.CMD_WRITE) {
                    assertEquals(length, data.byteSize());
                    MemorySegment.copy(
                            data, ValueLayout.JAVA_BYTE, 0, replayed, at, Math.toIntExact(length));
                } else {
                    java.util.Arrays.fill(replayed, at, at + Math.toIntExact(length), (byte) 0);
                }
            });
            assertArrayEquals(acknowledged, replayed);
            journal.dropUntil(journal.tail());
            assertEquals(0, journal.bytes());
            journal.forEach((_, _, _, _) -> assertTrue(false, "an entry that is durable"));
        }
    }

    private static void fill(byte[] disk, Step step, byte value) {
        java.util.Arrays.fill(disk, step.offset(), step.offset() + step.length(), value);
    }
}
