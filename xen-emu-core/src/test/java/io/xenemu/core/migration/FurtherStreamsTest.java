package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.ReadableByteChannel;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Pages of a guest that runs, over several streams.
@Timeout(120)
final class FurtherStreamsTest {
    private static final int PAGES = 4000;
    private static final long RAM = (long) PAGES * TestGuest.PAGE;
    private static final RoundWriter.Forget NOTHING = (_, _) -> {};

    /// A connection whose bytes are kept, to be read afterwards, or which has bytes to be read.
    private static final class Bytes implements ByteChannel {
        private final ByteArrayOutputStream written = new ByteArrayOutputStream();
        private final AtomicBoolean isClosed = new AtomicBoolean();
        private ByteBuffer left = ByteBuffer.allocate(0);
        private Runnable eachRead = () -> {};

        static Bytes of(byte[] bytes) {
            Bytes channel = new Bytes();
            channel.left = ByteBuffer.wrap(bytes);
            return channel;
        }

        @Override
        public int read(ByteBuffer to) {
            eachRead.run();
            if (!left.hasRemaining()) {
                return -1;
            }
            int count = Math.min(left.remaining(), to.remaining());
            to.put(left.slice(left.position(), count));
            left.position(left.position() + count);
            return count;
        }

        @Override
        public int write(ByteBuffer from) throws IOException {
            if (isClosed.get()) {
                throw new IOException("connection lost");
            }
            byte[] bytes = new byte[from.remaining()];
            from.get(bytes);
            written.writeBytes(bytes);
            return bytes.length;
        }

        @Override
        public boolean isOpen() {
            return !isClosed.get();
        }

        @Override
        public void close() {
            isClosed.set(true);
        }
    }

    private static List<MigrationLink> links(List<Bytes> channels) {
        return channels.stream().map(MigrationLink::new).toList();
    }

    private static BitSet all() {
        BitSet all = new BitSet();
        all.set(0, PAGES);
        return all;
    }

    /// A guest of random pages, two rounds of which go to these channels.
    ///
    /// @return the main stream
    private static byte[] write(TestGuest guest, List<Bytes> channels, PageEncoding encoding)
            throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        FurtherWriters further = new FurtherWriters(links(channels));
        SaveWriter writer = new SaveWriter(TestGuest.to(bytes), encoding, further);
        writer.guest(guest.summary(), 7, TestGuest.config());
        try (RoundWriter pages =
                writer.rounds(guest.ram(), List.of(), new WorkProgress(), new Pace(0))) {
            for (int page = 0; page < PAGES; page++) {
                guest.fill(page, page);
            }
            long _ = pages.write(all(), NOTHING);
            for (int page = 0; page < PAGES; page += 2) {
                guest.fill(page, -page);
            }
            long _ = pages.write(all(), NOTHING);
            writer.endRounds(pages, guest.state());
            writer.end();
        }
        return bytes.toByteArray();
    }

    private static void read(ReadableByteChannel main, List<Bytes> channels, IncomingRam ram)
            throws IOException {
        try (SaveReader reader = new SaveReader(main);
                FurtherReaders further = new FurtherReaders(links(channels))) {
            reader.takeFurther(further);
            assertNotNull(reader.guest(FileContents.NONE));
            assertTrue(reader.isLive());
            reader.liveRam(_ -> ram, new WorkProgress());
            reader.rounds();
            reader.state().transferTo(OutputStream.nullOutputStream());
            reader.endRounds();
            assertNull(reader.guest(FileContents.NONE));
        }
    }

    @ParameterizedTest
    @EnumSource
    void pagesArriveOverAllStreams(PageEncoding encoding) throws Exception {
        List<Bytes> channels = List.of(new Bytes(), new Bytes());
        try (TestGuest guest = new TestGuest("a", 1, PAGES);
                IncomingRam ram = new IncomingRam("a", RAM, false)) {
            byte[] main = write(guest, channels, encoding);
            List<Bytes> read = new ArrayList<>();
            for (Bytes channel : channels) {
                assertTrue(channel.written.size() > TestGuest.PAGE, "a stream without pages");
                read.add(Bytes.of(channel.written.toByteArray()));
            }
            read(TestGuest.from(main), read, ram);
            try (MemFd file = ram.take()) {
                assertEquals(-1, guest.pages().mismatch(file.map(0, file.size())));
            }
        }
    }

    /// Bytes of a stream that lies, whatever it says.
    private interface Lie {
        void write(SectionWriter out) throws IOException;
    }

    private static byte[] stream(Lie lie) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        lie.write(new SectionWriter(TestGuest.to(bytes)));
        return bytes.toByteArray();
    }

    private static void number(SectionWriter out, SectionType type, int round) throws IOException {
        out.write(type, SaveFormat.VERSION, new BodyWriter().u32(round));
    }

    private static void page(SectionWriter out, TestGuest guest, int page) throws IOException {
        try (PageBatches batches =
                new PageBatches(out, PageEncoding.NONE, new FurtherWriters(List.of()))) {
            batches.add(guest.pages(), (long) page * TestGuest.PAGE);
            batches.flush();
        }
    }

    /// What a reader says about a lie of the only further stream.
    private static String refusal(TestGuest guest, Lie lie) throws Exception {
        byte[] main = write(guest, List.of(), PageEncoding.NONE);
        Bytes channel = Bytes.of(stream(lie));
        try (IncomingRam ram = new IncomingRam("a", RAM, false)) {
            IOException e =
                    assertThrows(
                            IOException.class,
                            () -> read(TestGuest.from(main), List.of(channel), ram));
            assertTrue(channel.isClosed.get(), "the source does not see it");
            return String.valueOf(e.getMessage());
        }
    }

    @Test
    void streamThatLiesIsRefused() throws Exception {
        try (TestGuest guest = new TestGuest("a", 1, PAGES)) {
            String twice =
                    refusal(
                            guest,
                            out -> {
                                number(out, SectionType.ROUND, 1);
                                page(out, guest, 5);
                                number(out, SectionType.ROUND_END, 1);
                            });
            // Either stream may have it first.
            assertEquals("a page comes twice in a round", twice.replace("stream 2: ", ""));
            assertEquals(
                    "stream 2: section ROUN of round 2 in round 1",
                    refusal(guest, out -> number(out, SectionType.ROUND, 2)));
            assertEquals(
                    "stream 2: section END where ROUN has to be",
                    refusal(guest, out -> out.end(0)));
            assertEquals(
                    "stream 2: its end is that of another saved guest",
                    refusal(
                            guest,
                            out -> {
                                for (int round = 1; round <= 2; round++) {
                                    number(out, SectionType.ROUND, round);
                                    number(out, SectionType.ROUND_END, round);
                                }
                                out.end(1);
                            }));
            assertEquals(
                    "stream 2: the saved guest is cut off",
                    refusal(guest, out -> number(out, SectionType.ROUND, 1)));
        }
    }

    /// A page of the second round comes early. It is not read before the main stream has ended the first one.
    @Test
    void laterRoundIsReadAfterTheEarlierOneOfAllStreams() throws Exception {
        try (TestGuest guest = new TestGuest("a", 1, PAGES);
                IncomingRam ram = new IncomingRam("a", RAM, false)) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            SectionWriter out = new SectionWriter(TestGuest.to(bytes));
            RamWriter.begin(out, RAM);
            number(out, SectionType.ROUND, 1);
            guest.fill(5, 1);
            page(out, guest, 5);
            int firstRound = bytes.size();
            number(out, SectionType.ROUND, 2);
            out.end(0);
            ByteArrayOutputStream others = new ByteArrayOutputStream();
            SectionWriter other = new SectionWriter(TestGuest.to(others));
            number(other, SectionType.ROUND, 1);
            number(other, SectionType.ROUND_END, 1);
            int otherFirstRound = others.size();
            number(other, SectionType.ROUND, 2);
            guest.fill(5, 2);
            page(other, guest, 5);
            number(other, SectionType.ROUND_END, 2);
            other.end(0);

            AtomicInteger mainRead = new AtomicInteger();
            AtomicInteger early = new AtomicInteger();
            Bytes main = Bytes.of(bytes.toByteArray());
            main.eachRead = () -> mainRead.set(main.left.position());
            Bytes channel = Bytes.of(others.toByteArray());
            channel.eachRead =
                    () -> {
                        if (channel.left.position() >= otherFirstRound
                                && mainRead.get() < firstRound) {
                            early.incrementAndGet();
                        }
                    };
            try (SectionReader in = new SectionReader(main);
                    FurtherReaders further = new FurtherReaders(links(List.of(channel)));
                    RamReader reader =
                            new RamReader(in, further, new WorkProgress(), RamReader.begin(in))) {
                reader.readRound(ram, List.of(), _ -> {});
                reader.readRound(ram, List.of(), _ -> {});
                further.end();
                assertEquals(2, reader.pages());
            }
            assertEquals(0, early.get());
            try (MemFd file = ram.take()) {
                assertEquals(-1, guest.pages().mismatch(file.map(0, file.size())));
            }
        }
    }

    @Test
    void lostStreamEndsTheRound() throws Exception {
        Bytes lost = new Bytes();
        lost.close();
        try (TestGuest guest = new TestGuest("a", 1, PAGES)) {
            IOException e =
                    assertThrows(
                            IOException.class,
                            () -> write(guest, List.of(new Bytes(), lost), PageEncoding.NONE));
            assertEquals("stream 3: connection lost", e.getMessage());
        }
    }
}
