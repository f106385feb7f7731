package io.xenemu.kvm.wire;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FrameTest {
    private static final int TYPE = 0x10;

    private static byte[] stream(BodyWriter body) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        FrameWriter writer = new FrameWriter(out);
        writer.write(TYPE, 3, body);
        writer.finish();
        return out.toByteArray();
    }

    private static String refusal(byte[] stream, Map<Integer, FrameReader.Handler> handlers) {
        FrameReader reader = new FrameReader(new ByteArrayInputStream(stream));
        return String.valueOf(
                assertThrows(WireException.class, () -> reader.read(handlers)).getMessage());
    }

    @Test
    void bytesOnTheWireAreAsDocumented() throws IOException {
        String expected =
                "58454e454d555354"
                        + "01000000"
                        + "10000000"
                        + "03000000"
                        + "03000000"
                        + "ff3412"
                        + "a3c6575d"
                        + "00000000"
                        + "00000000"
                        + "00000000"
                        + "5db5602b";
        byte[] stream = stream(new BodyWriter().u8(0xff).u16(0x1234));
        assertEquals(expected, HexFormat.of().formatHex(stream));
    }

    @Test
    void everyKindOfValueComesBack() throws IOException {
        BodyWriter body =
                new BodyWriter()
                        .u8(0x80)
                        .u16(0xfffe)
                        .u32(-2)
                        .u64(Long.MIN_VALUE)
                        .bool(true)
                        .bytes(new byte[] {1, 2})
                        .string("\u00e4 \ud83d\ude00");
        new FrameReader(new ByteArrayInputStream(stream(body)))
                .read(
                        Map.of(
                                TYPE,
                                (version, b) -> {
                                    assertEquals(3, version);
                                    assertEquals(0x80, b.u8());
                                    assertEquals(0xfffe, b.u16());
                                    assertEquals(-2, b.u32());
                                    assertEquals(Long.MIN_VALUE, b.u64());
                                    assertTrue(b.bool());
                                    assertArrayEquals(new byte[] {1, 2}, b.bytes(2));
                                    assertEquals("\u00e4 \ud83d\ude00", b.string(7));
                                }));
    }

    @Test
    void listHasFramesOfAnyType() throws IOException {
        List<String> frames = new ArrayList<>();
        new FrameReader(new ByteArrayInputStream(stream(new BodyWriter().u16(5))))
                .list((type, version, bytes) -> frames.add(type + " " + version + " " + bytes));
        assertEquals(List.of(TYPE + " 3 2"), frames);
    }

    @Test
    void unknownTypeIsAnError() throws IOException {
        assertEquals(
                "frame of type 0x10: unknown type", refusal(stream(new BodyWriter()), Map.of()));
    }

    @Test
    void frameThatIsMissingOrOccursTwiceIsAnErrorWhereEachIsWantedOnce() throws IOException {
        FrameReader.Handler any = (_, _) -> {};
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        FrameWriter writer = new FrameWriter(out);
        writer.write(TYPE, 1, new BodyWriter());
        writer.write(TYPE, 1, new BodyWriter());
        writer.finish();
        byte[] once = stream(new BodyWriter());

        new FrameReader(new ByteArrayInputStream(once)).readEachOnce(Map.of(TYPE, any));

        WireException missing =
                assertThrows(
                        WireException.class,
                        () ->
                                new FrameReader(new ByteArrayInputStream(once))
                                        .readEachOnce(Map.of(TYPE, any, 0x11, any)));
        assertEquals("frame of type 0x11: is missing", missing.getMessage());
        WireException twice =
                assertThrows(
                        WireException.class,
                        () ->
                                new FrameReader(new ByteArrayInputStream(out.toByteArray()))
                                        .readEachOnce(Map.of(TYPE, any)));
        assertEquals("frame of type 0x10: occurs twice", twice.getMessage());
    }

    @Test
    void unreadBytesAreAnError() throws IOException {
        byte[] stream = stream(new BodyWriter().u32(1));
        assertEquals(
                "frame of type 0x10: 2 bytes left over",
                refusal(stream, Map.of(TYPE, (_, body) -> body.u16())));
    }

    @Test
    void lengthBeyondTheLimitIsAnErrorBeforeItIsBelieved() throws IOException {
        byte[] stream = stream(new BodyWriter());
        stream[12 + 8 + 3] = (byte) 0xff;
        assertEquals(
                "frame of type 0x10: 4278190080 bytes are too many", refusal(stream, Map.of()));
    }

    @Test
    void anotherFileIsNotASavedState() {
        assertEquals("not a saved state", refusal(new byte[64], Map.of()));
    }

    @Test
    void elementsBeyondTheirLimitAreAnError() {
        BodyReader huge = new BodyReader(new BodyWriter().u32(-1).toBytes());
        assertThrows(WireException.class, () -> huge.count(1000));
        BodyReader cut = new BodyReader(new BodyWriter().u32(100).u32(0).toBytes());
        assertThrows(WireException.class, () -> cut.bytes(1000));
    }

    @Test
    void textThatIsNotUtf8IsAnError() {
        byte[] bad = new BodyWriter().bytes(new byte[] {(byte) 0xc0, (byte) 0x80}).toBytes();
        assertThrows(WireException.class, () -> new BodyReader(bad).string(10));
    }

    @Test
    void writerRefusesTheSameAsTheReader() throws IOException {
        FrameWriter writer = new FrameWriter(new ByteArrayOutputStream());
        assertThrows(IllegalArgumentException.class, () -> writer.write(0, 1, new BodyWriter()));
        assertThrows(IllegalArgumentException.class, () -> new BodyWriter().u8(256));
        assertThrows(IllegalArgumentException.class, () -> new BodyWriter().u16(-1));
        writer.finish();
        assertThrows(IllegalStateException.class, () -> writer.write(TYPE, 1, new BodyWriter()));
    }
}
