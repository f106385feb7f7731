package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// Streams of guests that move together: each round has one of each guest.
final class GroupRoundsPropertyTest {
    static final int PAGES = 400;
    private static final int GUESTS = 3;
    private static final long BYTES = (long) PAGES * TestGuest.PAGE;
    private static final RoundWriter.Forget NOTHING = (_, _) -> {};

    private static List<TestGuest> guests() {
        List<TestGuest> guests = new ArrayList<>();
        for (int i = 1; i <= GUESTS; i++) {
            guests.add(new TestGuest("guest" + i, i, PAGES).fill(5, i).fill(7, 10 + i));
        }
        return guests;
    }

    /// @param changes the pages that are written before each round but the first, those of guest `i` moved by `i`
    /// @param last the guests that the last round has
    private static byte[] stream(
            List<TestGuest> guests, List<List<Integer>> changes, PageEncoding encoding, int last)
            throws IOException, InterruptedException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        SaveWriter writer = new SaveWriter(TestGuest.to(bytes), encoding);
        List<RoundWriter> all = new ArrayList<>();
        try {
            for (TestGuest guest : guests) {
                writer.guest(guest.summary(), 7, TestGuest.config());
                all.add(writer.rounds(guest.ram(), List.of(), new WorkProgress(), new Pace(0)));
            }
            BitSet first = new BitSet();
            first.set(0, PAGES);
            for (RoundWriter rounds : all) {
                long _ = rounds.write(first, NOTHING);
            }
            for (int round = 0; round < changes.size(); round++) {
                int count = round == changes.size() - 1 ? last : GUESTS;
                for (int i = 0; i < count; i++) {
                    BitSet written = new BitSet();
                    for (int page : changes.get(round)) {
                        written.set((page + i) % PAGES);
                        guests.get(i).fill((page + i) % PAGES, page + 31L * round);
                    }
                    long _ = all.get(i).write(written, NOTHING);
                }
            }
            for (int i = 0; i < GUESTS; i++) {
                writer.endRounds(all.get(i), guests.get(i).state());
            }
            writer.end();
            return bytes.toByteArray();
        } finally {
            all.forEach(RoundWriter::close);
        }
    }

    private static void read(byte[] stream, List<IncomingRam> ram, List<TestGuest> guests)
            throws IOException {
        try (SaveReader reader = new SaveReader(TestGuest.from(stream))) {
            for (int i = 0; i < GUESTS; i++) {
                IncomingRam one = ram.get(i);
                SavedHead head = next(reader);
                if (!head.guest().equals(guests.get(i).summary()) || !reader.isLive()) {
                    throw new WireException("another guest");
                }
                reader.liveRam(_ -> one, new WorkProgress());
                if (reader.hasFurtherLive() != (i < GUESTS - 1)) {
                    throw new WireException("another number of guests");
                }
            }
            reader.rounds();
            for (TestGuest guest : guests) {
                byte[] state = reader.state().readAllBytes();
                reader.endRounds();
                assertArrayEquals(guest.state(), state);
            }
            assertNull(reader.guest(FileContents.NONE));
        }
    }

    private static SavedHead next(SaveReader reader) throws IOException {
        SavedHead head = reader.guest(FileContents.NONE);
        if (head == null) {
            throw new WireException("no further guest");
        }
        return head;
    }

    private interface Reading {
        void run(List<IncomingRam> ram) throws IOException;
    }

    private static void withRam(Reading reading) throws IOException {
        List<IncomingRam> ram = new ArrayList<>();
        try {
            for (int i = 0; i < GUESTS; i++) {
                ram.add(new IncomingRam("guest", BYTES, false));
            }
            reading.run(ram);
        } finally {
            ram.forEach(IncomingRam::close);
        }
    }

    @Property(tries = 40)
    void eachGuestGetsItsOwnPages(
            @ForAll @Size(max = 4)
                    List<@Size(max = 60) List<@IntRange(max = PAGES - 1) Integer>> changes,
            @ForAll PageEncoding encoding)
            throws IOException, InterruptedException {
        List<TestGuest> guests = guests();
        byte[] stream = stream(guests, changes, encoding, GUESTS);
        withRam(ram -> {
            read(stream, ram, guests);
            for (int i = 0; i < GUESTS; i++) {
                try (MemFd file = ram.get(i).take()) {
                    assertEquals(-1, guests.get(i).pages().mismatch(file.map(0, file.size())));
                }
            }
        });
        guests.forEach(TestGuest::close);
    }

    @Property(tries = 150)
    void damagedStreamIsRefused(@ForAll @IntRange int at, @ForAll boolean isCut)
            throws IOException, InterruptedException {
        List<TestGuest> guests = guests();
        byte[] stream = stream(guests, List.of(List.of(5, 8, 9)), PageEncoding.NONE, GUESTS);
        int bit = Math.floorMod(at, stream.length * Byte.SIZE);
        byte[] damaged = isCut ? Arrays.copyOf(stream, bit / Byte.SIZE) : stream.clone();
        if (!isCut) {
            damaged[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
        }
        withRam(ram -> assertThrows(WireException.class, () -> read(damaged, ram, guests)));
        guests.forEach(TestGuest::close);
    }

    /// The pages of one guest would be older than those of the others.
    @Test
    void roundThatLacksAGuestIsRefused() throws Exception {
        List<TestGuest> guests = guests();
        byte[] stream = stream(guests, List.of(List.of(1), List.of(2)), PageEncoding.NONE, 2);
        withRam(ram -> assertThrows(WireException.class, () -> read(stream, ram, guests)));
        guests.forEach(TestGuest::close);
    }
}
