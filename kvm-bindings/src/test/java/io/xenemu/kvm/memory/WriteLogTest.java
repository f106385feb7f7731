package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.BitSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every way to write guest memory tells the log, after the write.
final class WriteLogTest {
    private static final long GPA = 0x10000;
    private static final int SIZE = 3 * GuestMemory.PAGE_SIZE;

    private static final byte OLD = 9;

    /// No byte of it is the old one.
    private static final long VALUE = 0x1122_3344_5566_7788L;

    private static final byte[] BYTES = new byte[GuestMemory.PAGE_SIZE + 2];

    static {
        Arrays.fill(BYTES, (byte) 3);
    }

    private final Arena arena = Arena.ofShared();
    private final MemorySegment first = arena.allocate(SIZE, GuestMemory.PAGE_SIZE);
    private final MemorySegment second = arena.allocate(SIZE, GuestMemory.PAGE_SIZE);
    private final GuestMemory memory = new GuestMemory();
    private final BitSet logged = new BitSet();

    interface Write {
        void to(GuestMemory memory) throws XenError;
    }

    WriteLogTest() {
        memory.add(GPA, first);
        memory.add(GPA + SIZE, second);
        memory.logTo(this::log);
    }

    @AfterEach
    void close() {
        arena.close();
    }

    private void log(long address, long length) {
        long inFirst = address - first.address();
        long at = inFirst >= 0 && inFirst < SIZE ? inFirst : address - second.address() + SIZE;
        boolean isWritten = false;
        for (long i = at; i < at + length; i++) {
            isWritten |= byteAt(i) != OLD;
            logged.set((int) i);
        }
        assertTrue(isWritten, "it is told before the write");
    }

    private byte byteAt(long at) {
        return at < SIZE
                ? first.get(ValueLayout.JAVA_BYTE, at)
                : second.get(ValueLayout.JAVA_BYTE, at - SIZE);
    }

    private static Named<Write> write(String name, Write write) {
        return Named.of(name, write);
    }

    static Stream<Named<Write>> writes() {
        long odd = GPA + SIZE - 1;
        return Stream.of(
                write("8", m -> m.write8(GPA + 5, 1)),
                write("16", m -> m.write16(GPA + 6, (int) VALUE)),
                write("32", m -> m.write32(GPA + 8, (int) VALUE)),
                write("64", m -> m.write64(GPA + 8, VALUE)),
                write("16 over an end", m -> m.write16(odd, (int) VALUE)),
                write("32 over an end", m -> m.write32(odd, (int) VALUE)),
                write("64 over an end", m -> m.write64(odd, VALUE)),
                write("segment", m -> copyOut(m, GPA + 9)),
                write("segment over an end", m -> copyOut(m, odd)),
                write("array", m -> m.copyOut(BYTES, 0, GPA + 9, BYTES.length)),
                write("array over an end", m -> m.copyOut(BYTES, 0, odd, BYTES.length)),
                write("fill", m -> m.fill(odd, 9, (byte) 4)),
                write("release 8", m -> m.atomics().writeRelease8(GPA + 3, 7)),
                write("release 16", m -> m.atomics().writeRelease16(GPA + 2, (int) VALUE)),
                write("release 32", m -> m.atomics().writeRelease32(GPA + 4, (int) VALUE)),
                write("release 64", m -> m.atomics().writeRelease64(GPA + 8, VALUE)),
                write("cas 8", m -> m.atomics().compareAndSet8(GPA + 3, 9, 7)),
                write("cas 16", m -> m.atomics().compareAndSet16(GPA + 2, 0x909, 0x7777)),
                write("cas 32", m -> m.atomics().compareAndSet32(GPA, 0x0909_0909, 5)),
                write("cas 64", m -> m.atomics().compareAndSet64(GPA, 0x0909_0909_0909_0909L, 5)),
                write("or 8", m -> m.atomics().getAndOr8(GPA + 1, 0x70)),
                write("or 16", m -> m.atomics().getAndOr16(GPA + 2, 0x7070)),
                write("or 32", m -> m.atomics().getAndOr32(GPA, 0x7070_7070)),
                write("or 64", m -> m.atomics().getAndOr64(GPA, 0x7070_7070_7070_7070L)),
                write("and 8", m -> m.atomics().getAndAnd8(GPA + 1, 1)),
                write("and 16", m -> m.atomics().getAndAnd16(GPA + 2, 0x101)),
                write("and 32", m -> m.atomics().getAndAnd32(GPA, 0x101_0101)),
                write("and 64", m -> m.atomics().getAndAnd64(GPA, 0x101_0101_0101_0101L)));
    }

    private static void copyOut(GuestMemory memory, long gpa) throws XenError {
        memory.copyOut(MemorySegment.ofArray(BYTES), 0, gpa, BYTES.length);
    }

    @ParameterizedTest
    @MethodSource("writes")
    void everyChangedByteIsTold(Write write) throws XenError {
        first.fill(OLD);
        second.fill(OLD);
        logged.clear();

        write.to(memory);

        BitSet changed = new BitSet();
        for (int i = 0; i < 2 * SIZE; i++) {
            changed.set(i, byteAt(i) != OLD);
        }
        BitSet missed = (BitSet) changed.clone();
        missed.andNot(logged);
        assertEquals(new BitSet(), missed);
        assertNotEquals(new BitSet(), logged);
    }

    @Test
    void refusedWriteAndNoBytesAreNotTold() throws XenError {
        memory.copyOut(MemorySegment.ofArray(BYTES), 0, GPA, 0);
        assertThrows(XenError.class, () -> memory.write32(GPA + 2L * SIZE - 2, 1));
        assertEquals(new BitSet(), logged);
    }

    @Test
    void nothingIsToldAfterwards() throws XenError {
        memory.logTo(null);
        memory.write8(GPA, 1);
        assertEquals(new BitSet(), logged);
    }
}
