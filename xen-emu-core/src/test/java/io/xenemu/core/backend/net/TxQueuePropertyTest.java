package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.backend.net.FrontTx.Answer;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/// Any slots lead to an answer for each, and each frame that leaves is the one that a plain reading of the protocol
/// assembles.
class TxQueuePropertyTest {
    /// A slot as the guest wrote it; the ring's state decides whether it is data or extra information.
    record Slot(
            int id, int gref, int offset, int size, int flags, int extraType, boolean extraMore) {}

    @Property(tries = 500)
    void everySlotIsAnsweredAndFramesAreThoseOfTheReference(
            @ForAll("slots") @Size(max = 200) List<Slot> slots, @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            FrontTx front = new FrontTx(arena);
            Random random = new Random(seed);
            for (long at = 0; at < front.pages.memory.byteSize(); at++) {
                front.pages.memory.set(JAVA_BYTE, at, (byte) random.nextInt());
            }
            Reference reference = new Reference(front);
            for (Slot slot : slots) {
                // As data and as extra information, the bytes are the same.
                if (reference.isExtra()) {
                    front.extra(slot.extraType, slot.extraMore ? Netif.EXTRA_MORE : 0);
                } else {
                    front.data(slot.id, slot.gref, slot.offset, slot.size, slot.flags);
                }
                reference.read(slot);
                if (random.nextInt(8) == 0) {
                    front.serve();
                }
                if (random.nextInt(8) == 0) {
                    front.move();
                }
            }
            front.serve();
            assertEquals(reference.hostile, front.queue.isBroken());
            assertEquals(reference.answers, front.answers());
            assertEquals(reference.frames.size(), front.port.sent.size());
            for (int i = 0; i < reference.frames.size(); i++) {
                assertArrayEquals(reference.frames.get(i), front.port.frame(i));
            }
            assertEquals(0, front.pages.inUse());
        }
    }

    /// A frame with a checksum to complete is the same, header and all, however it is cut.
    @Property(tries = 500)
    void cutsChangeNothing(
            @ForAll("frames") byte[] frame,
            @ForAll @Size(max = 17) List<@IntRange(max = 300) Integer> cuts,
            @ForAll boolean segments) {
        try (Arena arena = Arena.ofConfined()) {
            FrontTx whole = new FrontTx(arena);
            FrontTx cut = new FrontTx(arena);
            List<Integer> sizes = new ArrayList<>();
            int left = frame.length;
            for (int size : cuts) {
                sizes.add(Math.min(size, left));
                left -= Math.min(size, left);
            }
            int flags = Netif.TX_CSUM_BLANK | (segments ? Netif.TX_EXTRA_INFO : 0);
            for (FrontTx front : List.of(whole, cut)) {
                Runnable gso = () -> front.gso(500, (frame[14] & 0xf0) == 0x60 ? 2 : 1);
                int[] parts = front == cut ? sizes.stream().mapToInt(i -> i).toArray() : new int[0];
                front.frame(frame, flags, segments ? gso : () -> {}, parts);
                front.serve();
            }
            assertEquals(whole.port.sent.size(), cut.port.sent.size());
            for (int i = 0; i < whole.port.sent.size(); i++) {
                assertArrayEquals(whole.port.sent.get(i), cut.port.sent.get(i));
            }
        }
    }

    @Provide
    Arbitrary<List<Slot>> slots() {
        Arbitrary<Integer> sizes =
                Arbitraries.frequencyOf(
                        net.jqwik.api.Tuple.of(6, Arbitraries.integers().between(0, 200)),
                        net.jqwik.api.Tuple.of(3, Arbitraries.integers().between(0, 4096)),
                        net.jqwik.api.Tuple.of(1, Arbitraries.integers().between(0, 65535)));
        Arbitrary<Integer> offsets =
                Arbitraries.frequencyOf(
                        net.jqwik.api.Tuple.of(8, Arbitraries.integers().between(0, 100)),
                        net.jqwik.api.Tuple.of(1, Arbitraries.integers().between(0, 65535)));
        Arbitrary<Integer> flags =
                Arbitraries.of(
                        0,
                        0,
                        0,
                        Netif.TX_MORE_DATA,
                        Netif.TX_MORE_DATA,
                        2,
                        Netif.TX_EXTRA_INFO,
                        Netif.TX_MORE_DATA | Netif.TX_EXTRA_INFO);
        Arbitrary<Integer> types = Arbitraries.of(4, 4, 5, 5, 0, 6, 255);
        return Combinators.combine(
                        Arbitraries.integers().between(0, 65535),
                        Arbitraries.integers().between(-1, FrontTx.PAGES),
                        offsets,
                        sizes,
                        flags,
                        types,
                        Arbitraries.of(true, false, false))
                .as(Slot::new)
                .list();
    }

    @Provide
    Arbitrary<byte[]> frames() {
        return Combinators.combine(
                        Arbitraries.of(6, 17, 1),
                        Arbitraries.integers().between(0, 2000),
                        Arbitraries.integers().between(0, 10),
                        Arbitraries.integers().between(0, 3),
                        Arbitraries.of(true, false))
                .as((protocol, payload, options, tags, six) ->
                        six
                                ? Frames.ipv6(protocol, payload, new int[options])
                                : Frames.ipv4(protocol, payload, options * 4, tags));
    }

    /// Reads slots as the protocol's text says, without any care for speed.
    private static final class Reference {
        private final FrontTx front;
        final List<Answer> answers = new ArrayList<>();
        final List<byte[]> frames = new ArrayList<>();
        boolean hostile;
        private final List<Slot> data = new ArrayList<>();
        private int extras;
        private boolean unknown;
        private boolean extraNext;

        Reference(FrontTx front) {
            this.front = front;
        }

        boolean isExtra() {
            return extraNext;
        }

        void read(Slot slot) {
            if (hostile) {
                return;
            }
            if (extraNext) {
                hostile = ++extras > 5;
                unknown |= slot.extraType != 4 && slot.extraType != 5;
                extraNext = slot.extraMore;
            } else {
                hostile = data.size() == 20;
                extraNext = data.isEmpty() && (slot.flags & 8) != 0;
                data.add(slot);
            }
            if (!hostile && !extraNext && (data.getLast().flags & 4) == 0) {
                finish();
            }
        }

        private void finish() {
            byte[] frame = assemble();
            short status = frame == null ? Netif.ERROR : Netif.OKAY;
            if (frame != null) {
                frames.add(frame);
            }
            answers.add(new Answer(data.get(0).id, status));
            for (int i = 0; i < extras; i++) {
                answers.add(new Answer(0, Netif.NULL));
            }
            data.stream().skip(1).forEach(slot -> answers.add(new Answer(slot.id, status)));
            data.clear();
            extras = 0;
            unknown = false;
        }

        private byte @org.jspecify.annotations.Nullable [] assemble() {
            int total = data.get(0).size;
            int rest = data.stream().skip(1).mapToInt(slot -> slot.size).sum();
            if (data.size() > 18 || unknown || total < 14 || rest > total) {
                return null;
            }
            ByteArrayOutputStream frame = new ByteArrayOutputStream();
            for (int i = 0; i < data.size(); i++) {
                Slot slot = data.get(i);
                int size = i == 0 ? total - rest : slot.size;
                if (slot.offset + size > 4096) {
                    return null;
                }
                if (size > 0) {
                    if (slot.gref < 0 || slot.gref >= FrontTx.PAGES) {
                        return null;
                    }
                    byte[] page =
                            front.pages.memory.asSlice(slot.gref * 4096L, 4096).toArray(JAVA_BYTE);
                    frame.writeBytes(Arrays.copyOfRange(page, slot.offset, slot.offset + size));
                }
            }
            return frame.toByteArray();
        }
    }
}
