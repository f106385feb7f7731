package io.xenemu.kvm.wire;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.From;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class FramePropertyTest {
    /// The content of a frame in a form that compares by value.
    record Content(int type, int version, List<Byte> body) {}

    @Provide
    Arbitrary<Content> contents() {
        return Combinators.combine(
                        Arbitraries.integers().between(1, 9),
                        Arbitraries.integers(),
                        Arbitraries.bytes().list().ofMaxSize(40))
                .as(Content::new);
    }

    @Property(tries = 300)
    void framesAreReadAsWritten(@ForAll @Size(max = 8) List<@From("contents") Content> frames)
            throws IOException {
        ByteArrayInputStream in = new ByteArrayInputStream(stream(frames));
        List<Content> seen = new ArrayList<>();
        new FrameReader(in).read(collectors(seen));
        assertEquals(frames, seen);
        assertEquals(0, in.available());
    }

    @Property(tries = 300)
    void everyCutIsAnError(
            @ForAll @Size(max = 4) List<@From("contents") Content> frames,
            @ForAll @IntRange(max = 999) int where)
            throws IOException {
        byte[] whole = stream(frames);
        byte[] cut = Arrays.copyOf(whole, where % whole.length);
        assertThrows(WireException.class, () -> read(cut));
    }

    @Property(tries = 500)
    void everyFlippedBitIsAnError(
            @ForAll @Size(max = 4) List<@From("contents") Content> frames,
            @ForAll @IntRange(max = 9999) int where)
            throws IOException {
        byte[] damaged = stream(frames);
        int bit = where % (damaged.length * Byte.SIZE);
        damaged[bit / Byte.SIZE] ^= (byte) (1 << (bit % Byte.SIZE));
        assertThrows(WireException.class, () -> read(damaged));
    }

    @Property(tries = 500)
    void arbitraryBytesAreAnErrorAndNothingElse(@ForAll byte[] bytes) {
        assertThrows(WireException.class, () -> read(bytes));
    }

    @Property(tries = 500)
    void arbitraryFramesAreReadOrRefused(@ForAll byte[] bytes) throws IOException {
        byte[] header = stream(List.of());
        byte[] stream = Arrays.copyOf(header, 12 + bytes.length);
        System.arraycopy(bytes, 0, stream, 12, bytes.length);
        assertThrows(WireException.class, () -> read(stream));
    }

    @Property(tries = 500)
    void arbitraryBodiesAreReadOrRefused(
            @ForAll byte[] bytes, @ForAll List<@IntRange(max = 7) Integer> kinds) {
        BodyReader body = new BodyReader(bytes);
        int before = body.remaining();
        try {
            for (int kind : kinds) {
                readOne(body, kind);
            }
            body.end();
            assertEquals(0, body.remaining());
        } catch (WireException refused) {
            assertEquals(true, body.remaining() <= before);
        }
    }

    @Property(tries = 300)
    void valuesOfABodyComeBack(
            @ForAll int word,
            @ForAll long number,
            @ForAll byte[] bytes,
            @ForAll long[] numbers,
            @ForAll boolean flag)
            throws WireException {
        byte[] written =
                new BodyWriter()
                        .u8(word & 0xff)
                        .u16(word & 0xffff)
                        .u32(word)
                        .u64(number)
                        .bool(flag)
                        .bytes(bytes)
                        .u64s(numbers)
                        .u64(number)
                        .toBytes();
        BodyReader body = new BodyReader(written);
        assertEquals(word & 0xff, body.u8());
        assertEquals(word & 0xffff, body.u16());
        assertEquals(word, body.u32());
        assertEquals(number, body.u64());
        assertEquals(flag, body.bool());
        assertArrayEquals(bytes, body.bytes(bytes.length));
        assertArrayEquals(numbers, body.u64s(numbers.length));
        assertEquals(number, body.u64());
        body.end();
    }

    private static void readOne(BodyReader body, int kind) throws WireException {
        Object _ =
                switch (kind) {
                    case 0 -> body.u8();
                    case 1 -> body.u16();
                    case 2 -> body.u32();
                    case 3 -> body.u64();
                    case 4 -> body.bool();
                    case 5 -> body.bytes(100);
                    case 6 -> body.u64s(2);
                    default -> body.string(100);
                };
    }

    private static byte[] stream(List<Content> frames) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        FrameWriter writer = new FrameWriter(out);
        for (Content frame : frames) {
            BodyWriter body = new BodyWriter();
            frame.body.forEach(b -> body.u8(Byte.toUnsignedInt(b)));
            writer.write(frame.type, frame.version, body);
        }
        writer.finish();
        return out.toByteArray();
    }

    private static void read(byte[] stream) throws IOException {
        new FrameReader(new ByteArrayInputStream(stream)).read(collectors(new ArrayList<>()));
    }

    private static Map<Integer, FrameReader.Handler> collectors(List<Content> into) {
        Map<Integer, FrameReader.Handler> handlers = new HashMap<>();
        for (int type = 1; type < 10; type++) {
            int own = type;
            handlers.put(
                    type,
                    (version, body) -> {
                        List<Byte> bytes = new ArrayList<>();
                        while (body.remaining() > 0) {
                            bytes.add((byte) body.u8());
                        }
                        into.add(new Content(own, version, bytes));
                    });
        }
        return handlers;
    }
}
