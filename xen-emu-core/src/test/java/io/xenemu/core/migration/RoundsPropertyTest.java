package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.WritableByteChannel;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// Streams of a guest that runs while its memory is sent.
final class RoundsPropertyTest {
    static final int PAGES = 3000;
    private static final RoundWriter.Forget NOTHING = (_, _) -> {};
    private static final FurtherWriters NONE_FURTHER = new FurtherWriters(List.of());

    private static BitSet all() {
        BitSet all = new BitSet();
        all.set(0, PAGES);
        return all;
    }

    private static BitSet change(TestGuest guest, List<Integer> pages, int round) {
        BitSet written = new BitSet();
        for (int page : pages) {
            written.set(page);
            if ((page + round) % 3 == 0) {
                guest.pages().asSlice((long) page * TestGuest.PAGE, TestGuest.PAGE).fill((byte) 0);
            } else {
                guest.fill(page, page + 7L * round);
            }
        }
        return written;
    }

    private static byte[] stream(
            TestGuest guest, List<List<Integer>> rounds, PageEncoding encoding) {
        try {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            SaveWriter writer = new SaveWriter(TestGuest.to(bytes), encoding);
            writer.guest(guest.summary(), 7, TestGuest.config());
            try (RoundWriter pages =
                    writer.rounds(guest.ram(), List.of(), new WorkProgress(), new Pace(0))) {
                long _ = pages.write(all(), NOTHING);
                for (int i = 0; i < rounds.size(); i++) {
                    long _ = pages.write(change(guest, rounds.get(i), i), NOTHING);
                }
                writer.endRounds(pages, guest.state());
            }
            writer.end();
            return bytes.toByteArray();
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void read(byte[] stream, IncomingRam ram) throws IOException {
        try (SaveReader reader = new SaveReader(TestGuest.from(stream))) {
            assertNotNull(reader.guest(FileContents.NONE));
            if (!reader.isLive()) {
                throw new WireException("not live");
            }
            reader.liveRam(_ -> ram, new WorkProgress());
            reader.rounds();
            reader.state().transferTo(OutputStream.nullOutputStream());
            reader.endRounds();
            assertNull(reader.guest(FileContents.NONE));
        }
    }

    @Property(tries = 60)
    void lastContentOfEachPageCounts(
            @ForAll @Size(max = 4)
                    List<@Size(max = 300) List<@IntRange(max = PAGES - 1) Integer>> rounds,
            @ForAll PageEncoding encoding)
            throws IOException {
        try (TestGuest guest = new TestGuest("a", 1, PAGES);
                IncomingRam ram = new IncomingRam("a", (long) PAGES * TestGuest.PAGE, false)) {
            guest.fill(5, 5).fill(6, 6).fill(2000, 1);
            read(stream(guest, rounds, encoding), ram);
            try (MemFd file = ram.take()) {
                assertEquals(-1, guest.pages().mismatch(file.map(0, file.size())));
            }
        }
    }

    /// More sections than are packed and unpacked at a time.
    @Property(tries = 2)
    void laterRoundOfManyPagesCounts(@ForAll PageEncoding encoding, @ForAll long seed)
            throws IOException {
        try (TestGuest guest = new TestGuest("a", 1, PAGES);
                IncomingRam ram = new IncomingRam("a", (long) PAGES * TestGuest.PAGE, false)) {
            for (int page = 0; page < PAGES; page++) {
                guest.fill(page, seed + page);
            }
            List<Integer> pages = IntStream.range(0, PAGES).boxed().toList();
            read(stream(guest, List.of(pages), encoding), ram);
            try (MemFd file = ram.take()) {
                assertEquals(-1, guest.pages().mismatch(file.map(0, file.size())));
            }
        }
    }

    @Property(tries = 60)
    void pagesThatFollowAreKnownAndHaveNoMemory(
            @ForAll @Size(max = 300) List<@IntRange(max = PAGES - 1) Integer> following)
            throws IOException, InterruptedException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        BitSet all = new BitSet();
        all.set(0, PAGES);
        BitSet missing = new BitSet();
        following.forEach(missing::set);
        try (TestGuest guest = new TestGuest("a", 1, PAGES);
                IncomingRam ram = new IncomingRam("a", (long) PAGES * TestGuest.PAGE, true)) {
            guest.fill(5, 5).fill(6, 6);
            SectionWriter out = new SectionWriter(TestGuest.to(bytes));
            RamWriter.begin(out, (long) PAGES * TestGuest.PAGE);
            try (RoundWriter rounds =
                    new RoundWriter(
                            guest.ram(),
                            new DiskWriter(List.of(), PageEncoding.NONE, out, NONE_FURTHER),
                            out,
                            NONE_FURTHER,
                            new WorkProgress(),
                            new Pace(0))) {
                long _ = rounds.write(all, NOTHING);
                rounds.writeMissing(missing);
                out.write(SectionType.END, SaveFormat.VERSION, new BodyWriter());
            }
            try (SectionReader in = new SectionReader(TestGuest.from(bytes.toByteArray()));
                    RamReader reader =
                            new RamReader(
                                    in,
                                    new FurtherReaders(List.of()),
                                    new WorkProgress(),
                                    RamReader.begin(in))) {
                reader.readRound(ram, List.of(), _ -> {});
                reader.readMissing(ram);
            }
            assertEquals(missing, ram.missing());
            try (MemFd file = ram.take()) {
                for (int page : new int[] {5, 6}) {
                    long at = (long) page * TestGuest.PAGE;
                    assertEquals(missing.get(page), file.nextData(at) != at);
                }
            }
        }
    }

    @Test
    void pageThatComesTwiceInARoundIsRefused() throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        SectionWriter out = new SectionWriter(TestGuest.to(bytes));
        RamWriter.begin(out, (long) PAGES * TestGuest.PAGE);
        for (int round = 1; round <= 2; round++) {
            out.write(SectionType.ROUND, SaveFormat.VERSION, new BodyWriter().u32(round));
            for (int section = 0; section < round; section++) {
                out.write(
                        SectionType.PAGES,
                        SaveFormat.VERSION,
                        new BodyWriter().u32(SaveFormat.ZEROS).u32(1).u32(7).u32(2 - section));
            }
        }
        try (SectionReader in = new SectionReader(TestGuest.from(bytes.toByteArray()));
                RamReader reader =
                        new RamReader(
                                in,
                                new FurtherReaders(List.of()),
                                new WorkProgress(),
                                RamReader.begin(in));
                IncomingRam ram = new IncomingRam("a", (long) PAGES * TestGuest.PAGE, false)) {
            reader.readRound(ram, List.of(), _ -> {});
            WireException e =
                    assertThrows(
                            WireException.class, () -> reader.readRound(ram, List.of(), _ -> {}));
            assertEquals("a page comes twice in a round", e.getMessage());
        }
    }

    @Property(tries = 200)
    void damagedStreamIsRefused(@ForAll @IntRange int at, @ForAll boolean isCut)
            throws IOException {
        try (TestGuest guest = new TestGuest("a", 1, PAGES);
                IncomingRam ram = new IncomingRam("a", (long) PAGES * TestGuest.PAGE, false)) {
            guest.fill(5, 5).fill(6, 6);
            byte[] stream = stream(guest, List.of(List.of(5, 8, 9)), PageEncoding.NONE);
            int bit = Math.floorMod(at, stream.length * Byte.SIZE);
            byte[] damaged = isCut ? Arrays.copyOf(stream, bit / Byte.SIZE) : stream.clone();
            if (!isCut) {
                damaged[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
            }
            assertThrows(WireException.class, () -> read(damaged, ram));
        }
    }

    @Test
    void pagesAreForgottenBeforeTheyAreRead() throws Exception {
        try (TestGuest guest = new TestGuest("a", 1, PAGES)) {
            BitSet wanted = new BitSet();
            wanted.set(3);
            wanted.set(2999);
            BitSet forgotten = new BitSet();
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            SaveWriter writer = new SaveWriter(TestGuest.to(bytes), PageEncoding.NONE);
            writer.guest(guest.summary(), 7, TestGuest.config());
            try (RoundWriter pages =
                    writer.rounds(guest.ram(), List.of(), new WorkProgress(), new Pace(0))) {
                assertEquals(
                        1,
                        pages.write(
                                wanted,
                                (from, to) -> {
                                    forgotten.set((int) from, (int) to);
                                    if (from == 3) {
                                        guest.fill(3, 9);
                                    }
                                }));
            }
            assertTrue(forgotten.get(3) && forgotten.get(2999));
        }
    }

    @Test
    void lastRoundIsNotHeldBack() throws Exception {
        try (TestGuest guest = new TestGuest("a", 1, PAGES)) {
            SaveWriter writer =
                    new SaveWriter(TestGuest.to(new ByteArrayOutputStream()), PageEncoding.NONE);
            writer.guest(guest.summary(), 7, TestGuest.config());
            guest.fill(1, 1);
            try (RoundWriter pages =
                    writer.rounds(guest.ram(), List.of(), new WorkProgress(), new Pace(1))) {
                assertEquals(1, pages.writeLast(all(), NOTHING));
            }
        }
    }

    @Test
    void paceHoldsTheStreamBack() throws Exception {
        try (TestGuest guest = new TestGuest("a", 1, PAGES)) {
            WritableByteChannel out = TestGuest.to(new ByteArrayOutputStream());
            Thread thread =
                    Thread.ofPlatform()
                            .start(() -> {
                                assertThrows(
                                        InterruptedException.class,
                                        () -> {
                                            SaveWriter writer =
                                                    new SaveWriter(out, PageEncoding.NONE);
                                            writer.guest(guest.summary(), 7, TestGuest.config());
                                            guest.fill(1, 1);
                                            try (RoundWriter pages =
                                                    writer.rounds(
                                                            guest.ram(),
                                                            List.of(),
                                                            new WorkProgress(),
                                                            new Pace(1))) {
                                                pages.write(all(), NOTHING);
                                            }
                                        });
                            });
            Eventually.holds("it waits", () -> thread.getState() == Thread.State.TIMED_WAITING);
            thread.interrupt();
            thread.join();
        }
    }
}
