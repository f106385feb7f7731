package io.xenemu.kvm.file;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class IoVectorsTest {
    private final Arena arena = Arena.ofConfined();
    private final IoVectors vectors = new IoVectors(arena, 3);

    @AfterEach
    void close() {
        arena.close();
    }

    @Test
    void neighboursAreMerged() {
        vectors.add(0x1000, 0x200);
        vectors.add(0x1200, 0x800);
        vectors.add(0x4000, 0x1000);
        assertEquals(2, vectors.count());
        assertEquals(0xa00, vectors.length(0));
        assertEquals(0x4000, vectors.address(1));
        assertEquals(0x1a00, vectors.bytes());
    }

    @Test
    void fullArrayRefusesOneMore() {
        for (int i = 0; i < 3; i++) {
            vectors.add(i * 0x2000L, 0x1000);
        }
        assertThrows(IndexOutOfBoundsException.class, () -> vectors.add(0x9000, 1));
        assertThrows(IllegalArgumentException.class, () -> vectors.add(0x9000, 0));
        assertThrows(IndexOutOfBoundsException.class, () -> vectors.address(3));
        assertThrows(IllegalArgumentException.class, () -> new IoVectors(arena, 1025));
    }

    @Test
    void skipRemovesFromTheFront() {
        vectors.add(0x1000, 0x1000);
        vectors.add(0x4000, 0x1000);
        long array = vectors.arrayAddress();
        vectors.skip(0x1200);
        assertEquals(array + 16, vectors.arrayAddress());
        assertEquals(1, vectors.count());
        assertEquals(0x4200, vectors.address(0));
        assertEquals(0xe00, vectors.length(0));
        vectors.skip(0xe00);
        assertEquals(0, vectors.count());
        assertThrows(IllegalArgumentException.class, () -> vectors.skip(1));
        vectors.clear();
        assertEquals(array, vectors.arrayAddress());
    }

    @Test
    void alignmentIsThatOfAllElements() {
        vectors.add(0x1000, 0x1000);
        assertTrue(vectors.isAligned(4096));
        vectors.add(0x4000, 0x200);
        assertTrue(vectors.isAligned(512));
        assertFalse(vectors.isAligned(1024));
    }

    @Test
    void bytesAreMovedAcrossPieces() {
        MemorySegment memory = arena.allocate(64);
        MemorySegment outside = arena.allocate(16);
        for (int i = 0; i < 16; i++) {
            outside.set(ValueLayout.JAVA_BYTE, i, (byte) (i + 1));
        }
        // Pieces of 4, 5 and 6 bytes with gaps.
        vectors.add(memory.address(), 4);
        vectors.add(memory.address() + 16, 5);
        vectors.add(memory.address() + 32, 6);
        vectors.copyIn(2, outside, 3, 10);
        assertEquals(4, memory.get(ValueLayout.JAVA_BYTE, 2));
        assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 4), "the gap");
        assertEquals(6, memory.get(ValueLayout.JAVA_BYTE, 16));
        assertEquals(13, memory.get(ValueLayout.JAVA_BYTE, 34));
        assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 35), "behind");

        MemorySegment back = arena.allocate(16);
        vectors.copyOut(2, back, 3, 10);
        assertEquals(-1, back.asSlice(3, 10).mismatch(outside.asSlice(3, 10)));
        vectors.zero(3, 7);
        vectors.copyOut(2, back, 3, 10);
        assertEquals(4, back.get(ValueLayout.JAVA_BYTE, 3));
        assertEquals(0, back.get(ValueLayout.JAVA_BYTE, 4));
        assertEquals(0, back.get(ValueLayout.JAVA_BYTE, 10));
        assertEquals(12, back.get(ValueLayout.JAVA_BYTE, 11));
        assertThrows(IndexOutOfBoundsException.class, () -> vectors.copyOut(6, back, 0, 10));
        assertThrows(IndexOutOfBoundsException.class, () -> vectors.zero(-1, 2));
    }

    @Test
    void partOfAnotherArrayIsAdded() {
        IoVectors other = new IoVectors(arena, 3);
        other.add(0x1000, 0x100);
        other.add(0x3000, 0x100);
        other.add(0x5000, 0x100);
        other.skip(0x10);
        vectors.addPart(other, 0x80, 0x180);
        assertEquals(3, vectors.count());
        assertEquals(0x1090, vectors.address(0));
        assertEquals(0x70, vectors.length(0));
        assertEquals(0x100, vectors.length(1));
        assertEquals(0x5000, vectors.address(2));
        assertEquals(0x10, vectors.length(2));
        assertEquals(0, vectors.room());
        vectors.addPart(other, 0, 0);
        assertThrows(IndexOutOfBoundsException.class, () -> vectors.addPart(other, 0x2f0, 1));
    }
}
