package io.xenemu.kvm.file;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
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
}
