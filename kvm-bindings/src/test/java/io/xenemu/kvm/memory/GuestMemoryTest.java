package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GuestMemoryTest {
    private final Arena arena = Arena.ofShared();
    private final GuestMemory memory = new GuestMemory();

    @AfterEach
    void close() {
        arena.close();
    }

    private MemorySegment pages(int count) {
        return arena.allocate(count * 4096L, 4096);
    }

    @ParameterizedTest
    @ValueSource(
            longs = {
                0x10ffd,
                0x11000,
                0,
                -1,
                -4,
                Long.MIN_VALUE,
                Long.MIN_VALUE + 0x10000,
                Long.MAX_VALUE,
                Long.MAX_VALUE - 3
            })
    void everyAddressOutsideIsEfault(long gpa) {
        memory.add(0x10000, pages(1));
        isEfault(() -> memory.read32(gpa));
        isEfault(() -> memory.write32(gpa, 1));
        isEfault(() -> memory.copyIn(gpa, new byte[4], 0, 4));
        isEfault(() -> memory.copyOut(new byte[4], 0, gpa, 4));
        isEfault(() -> memory.segment(gpa, 4));
        isEfault(() -> memory.fill(gpa, 4, (byte) 1));
        assertFalse(memory.contains(gpa, 4));
    }

    @Test
    void lengthNearTheLimitDoesNotWrapIntoMemory() {
        memory.add(0x10000, pages(1));
        assertFalse(memory.contains(0x10000, Long.MAX_VALUE));
        isEfault(() -> memory.segment(0x10800, Long.MAX_VALUE));
    }

    @Test
    void removedRegionIsGoneForEveryKindOfAccess() throws Exception {
        memory.add(0, pages(1));
        memory.write8(0, 1);
        memory.remove(0);
        isEfault(() -> memory.read8(0));
        isEfault(() -> memory.atomics().readAcquire32(0));
        assertThrows(IllegalArgumentException.class, () -> memory.remove(0));
    }

    @Test
    void regionsCanBeAddedBetweenOthers() throws Exception {
        memory.add(0x4000, pages(1));
        memory.add(0x1000, pages(1));
        memory.add(0x2000, pages(2));
        memory.write64(0x1ffc, 0x1122334455667788L);
        assertEquals(0x11223344, memory.read32(0x2000));
        assertTrue(memory.contains(0x1000, 0x4000));
        assertFalse(memory.contains(0x1000, 0x4001));
    }

    @Test
    void overlapAndBrokenPagesAreRefused() {
        memory.add(0x2000, pages(2));
        assertThrows(IllegalArgumentException.class, () -> memory.add(0x1000, pages(2)));
        assertThrows(IllegalArgumentException.class, () -> memory.add(0x3000, pages(1)));
        assertThrows(IllegalArgumentException.class, () -> memory.add(0x8800, pages(1)));
        assertThrows(IllegalArgumentException.class, () -> memory.add(0x8000, pages(1).asSlice(8)));
        assertThrows(
                IllegalArgumentException.class,
                () -> memory.add(0x8000, MemorySegment.ofArray(new long[512])));
        assertThrows(IllegalArgumentException.class, () -> memory.add(-4096, pages(1)));
        assertThrows(IllegalArgumentException.class, () -> memory.add(1L << 52, pages(1)));
    }

    @Test
    void asManyRegionsAsKvmHasMemorySlotsCanBeAdded() throws Exception {
        MemorySegment host = pages(1);
        for (int i = 0; i < MemoryRegions.MAX_REGIONS; i++) {
            int scattered = i * 4099 % MemoryRegions.MAX_REGIONS;
            memory.add(scattered * 0x2000L, host);
        }
        host.set(ValueLayout.JAVA_INT, 8, 77);
        for (int i = 0; i < MemoryRegions.MAX_REGIONS; i++) {
            assertEquals(77, memory.read32(i * 0x2000L + 8));
        }
        isEfault(() -> memory.read8(0x1000));
        assertThrows(IllegalArgumentException.class, () -> memory.add(1L << 40, host));
        memory.remove(0x4000);
        memory.add(1L << 40, host);
        isEfault(() -> memory.read8(0x4000));
    }

    @Test
    void readOnlyRegionCanBeReadOnly() throws Exception {
        memory.add(0, pages(1).asReadOnly());
        memory.add(0x1000, pages(1));
        assertEquals(0, memory.read64(8));
        isEfault(() -> memory.write8(8, 1));
        isEfault(() -> memory.write64(8, 1));
        isEfault(() -> memory.atomics().compareAndSet32(8, 0, 1));
        isEfault(() -> memory.atomics().getAndOr16(8, 1));
        isEfault(() -> memory.write64(0xffc, -1));
        assertEquals(0, memory.read32(0x1000));
    }

    @Test
    void segmentIsTheSameMemory() throws Exception {
        memory.add(0, pages(1));
        memory.segment(0x40, 64).set(ValueLayout.JAVA_BYTE, 3, (byte) 0x7f);
        assertEquals(0x7f, memory.read8(0x43));
    }

    @Test
    void segmentAcrossRegionsIsEfault() {
        memory.add(0, pages(1));
        memory.add(0x1000, pages(1));
        isEfault(() -> memory.segment(0xfff, 2));
    }

    @Test
    void fillSpansRegions() throws Exception {
        memory.add(0, pages(1));
        memory.add(0x1000, pages(1));
        memory.fill(0xffe, 4, (byte) 0xaa);
        assertEquals(0x00aaaaaaaa00L, memory.read64(0xffd) & 0xffff_ffff_ffffL);
    }

    @Test
    void misalignedAtomicsAreTheCallersFault() {
        memory.add(0, pages(1));
        GuestAtomics atomics = memory.atomics();
        assertThrows(IllegalArgumentException.class, () -> atomics.readAcquire64(4));
        assertThrows(IllegalArgumentException.class, () -> atomics.compareAndSet32(2, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> atomics.compareAndSet16(1, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> atomics.getAndOr16(3, 1));
    }

    @Test
    void releasedValueIsReadBack() throws Exception {
        memory.add(0, pages(1));
        GuestAtomics atomics = memory.atomics();
        atomics.writeRelease8(0, 0x1ff);
        atomics.writeRelease16(2, 0x1fffe);
        atomics.writeRelease32(4, -3);
        atomics.writeRelease64(8, -4);
        assertEquals(0xff, atomics.readAcquire8(0));
        assertEquals(0xfffe, atomics.readAcquire16(2));
        assertEquals(-3, atomics.readAcquire32(4));
        assertEquals(-4, atomics.readAcquire64(8));
    }

    @Test
    void concurrentBitsOfOneWordAreAllKept() throws Exception {
        memory.add(0, pages(1));
        Thread[] threads = new Thread[4];
        for (int t = 0; t < threads.length; t++) {
            int own = t;
            threads[t] = new Thread(() -> setBitsOfByte(own));
            threads[t].start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertEquals(-1, memory.read32(0));
    }

    private void setBitsOfByte(int index) {
        try {
            for (int bit = 0; bit < 8; bit++) {
                memory.atomics().getAndOr8(index, 1 << bit);
            }
        } catch (XenError e) {
            throw new AssertionError(e);
        }
    }

    private static void isEfault(Executable access) {
        assertSame(XenError.EFAULT, assertThrows(XenError.class, access));
    }
}
