package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.wire.WireException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

final class PageFramePropertyTest {
    private static void put(PageFrameReader reader, ByteBuffer bytes, int count) {
        MemorySegment from = MemorySegment.ofBuffer(bytes).asSlice(0, count);
        reader.room().copyFrom(from);
        bytes.position(bytes.position() + count);
        reader.filled(count);
    }

    private static ByteBuffer bytes(byte[] from) {
        return ByteBuffer.wrap(from).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static List<PageFrame> frames(long number, byte[] content) {
        ByteBuffer words = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        words.putLong(number).putLong(~number).flip();
        return List.of(
                new PageFrame.Resync(number),
                new PageFrame.Missing(64, number % 2 == 0, words),
                new PageFrame.Synced(number),
                new PageFrame.Need((int) number),
                new PageFrame.Pages(7, 2, bytes(content)),
                new PageFrame.Running(),
                new PageFrame.Complete(),
                new PageFrame.Ended("because"));
    }

    private static ByteBuffer encoded(List<PageFrame> frames) {
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        frames.forEach(frame -> all.put(frame.encode()));
        return all.flip();
    }

    /// The frame with bytes of its own.
    private static PageFrame copy(PageFrame frame) {
        return switch (frame) {
            case PageFrame.Pages(int first, int count, ByteBuffer content) ->
                    new PageFrame.Pages(first, count, copy(content));
            case PageFrame.Missing(int first, boolean isLast, ByteBuffer words) ->
                    new PageFrame.Missing(first, isLast, copy(words));
            default -> frame;
        };
    }

    private static ByteBuffer copy(ByteBuffer from) {
        return ByteBuffer.allocate(from.remaining())
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(from.duplicate())
                .flip();
    }

    @Property
    void framesComeBackInWhateverPieces(
            @ForAll long number,
            @ForAll @Size(max = 100) byte[] content,
            @ForAll @IntRange(min = 1, max = 300) int piece)
            throws WireException {
        List<PageFrame> frames = frames(number, content);
        ByteBuffer all = encoded(frames);
        List<PageFrame> read = new ArrayList<>();
        try (PageFrameReader reader = new PageFrameReader()) {
            while (all.hasRemaining()) {
                put(reader, all, Math.min(piece, all.remaining()));
                for (PageFrame next = reader.next(); next != null; next = reader.next()) {
                    read.add(copy(next));
                }
            }
        }
        assertEquals(frames, read);
    }

    @Property
    void allUpToAFrameCanBeLeftOut(@ForAll @Size(max = 300) byte[] before, @ForAll long nonce)
            throws WireException {
        PageFrame awaited = new PageFrame.Synced(nonce);
        ByteBuffer all = ByteBuffer.allocate(1 << 12);
        all.put(before).put(awaited.encode()).put(new PageFrame.Need(5).encode()).flip();
        try (PageFrameReader reader = new PageFrameReader()) {
            reader.skipTo(awaited);
            put(reader, all, before.length);
            assertTrue(reader.isSkipping());
            put(reader, all, all.remaining());
            assertEquals(new PageFrame.Need(5), reader.next());
            assertFalse(reader.isSkipping());
        }
    }

    @Property
    void anyBytesAreFramesOrRefused(@ForAll @Size(max = 200) byte[] any) {
        try (PageFrameReader reader = new PageFrameReader()) {
            put(reader, bytes(any), any.length);
            while (reader.next() != null) {
                assertNotNull(reader);
            }
        } catch (WireException e) {
            assertNotNull(e.getMessage());
        }
    }

    @Property
    void anyChangedBitIsNoticed(@ForAll long number, @ForAll int bit) {
        ByteBuffer frame = new PageFrame.Resync(number).encode();
        int at = Math.floorMod(bit, frame.limit() * 8);
        frame.put(at / 8, (byte) (frame.get(at / 8) ^ 1 << at % 8));
        try (PageFrameReader reader = new PageFrameReader()) {
            put(reader, frame, frame.remaining());
            // A longer length waits for bytes that do not come.
            assertEquals(null, reader.next());
        } catch (WireException e) {
            assertNotNull(e.getMessage());
        }
    }
}
