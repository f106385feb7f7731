package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/// Guest memory against one array: pages 0 and 1 are separate regions side by side, page 2 is missing, page 3 exists.
class GuestMemoryPropertyTest {
    private static final int STEPS = 200;
    private static final int END = 0x4000;

    @Property(tries = 200)
    void plainAccessesAreThoseOfAnArray(@ForAll long seed) throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            GuestMemory memory = memory(arena);
            ByteBuffer model = ByteBuffer.allocate(END).order(ByteOrder.LITTLE_ENDIAN);
            Random random = new Random(seed);
            for (int step = 0; step < STEPS; step++) {
                int at = near(random);
                int size = 1 << random.nextInt(4);
                long value = random.nextLong();
                if (!exists(at, size)) {
                    assertThrows(XenError.class, () -> write(memory, at, size, value));
                    assertThrows(XenError.class, () -> read(memory, at, size));
                } else {
                    write(memory, at, size, value);
                    for (int i = 0; i < size; i++) {
                        model.put(at + i, (byte) (value >>> (8 * i)));
                    }
                }
                compareAround(memory, model, at);
            }
        }
    }

    @Property(tries = 200)
    void copiesAreAllOrNothing(@ForAll long seed) throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            GuestMemory memory = memory(arena);
            byte[] model = new byte[END];
            Random random = new Random(seed);
            for (int step = 0; step < 20; step++) {
                int at = random.nextInt(END);
                int length = random.nextInt(END);
                byte[] data = new byte[length];
                random.nextBytes(data);
                boolean array = random.nextBoolean();
                if (exists(at, length)) {
                    copyOut(memory, data, at, array);
                    System.arraycopy(data, 0, model, at, length);
                    byte[] back = new byte[length];
                    copyIn(memory, at, back, array);
                    assertArrayEquals(data, back);
                } else {
                    assertThrows(XenError.class, () -> copyOut(memory, data, at, array));
                    assertThrows(XenError.class, () -> copyIn(memory, at, data, array));
                }
            }
            byte[] low = new byte[0x2000];
            memory.copyIn(0, low, 0, low.length);
            assertArrayEquals(Arrays.copyOf(model, 0x2000), low);
        }
    }

    @Property(tries = 500)
    void atomicsAreThoseOfAnArray(
            @ForAll long seed, @ForAll @IntRange(max = 3) int log, @ForAll boolean match)
            throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            GuestMemory memory = memory(arena);
            Random random = new Random(seed);
            int size = 1 << log;
            long mask = size == 8 ? -1 : (1L << (8 * size)) - 1;
            long at = random.nextInt(0x2000 / size) * (long) size;
            long neighbours = at & ~7L;
            memory.write64(neighbours, random.nextLong());
            long before = memory.read64(neighbours);
            int shift = (int) (at & 7) * 8;
            long old = (before >>> shift) & mask;
            long operand = random.nextLong();
            long expected;
            switch (random.nextInt(3)) {
                case 0 -> {
                    assertEquals(old, getAndOr(memory.atomics(), at, size, operand));
                    expected = old | operand;
                }
                case 1 -> {
                    assertEquals(old, getAndAnd(memory.atomics(), at, size, operand));
                    expected = old & operand;
                }
                default -> {
                    long guess = match ? old : ~old;
                    assertEquals(match, compareAndSet(memory.atomics(), at, size, guess, operand));
                    expected = match ? operand : old;
                }
            }
            long after = (before & ~(mask << shift)) | ((expected & mask) << shift);
            assertEquals(after, memory.read64(neighbours));
            assertEquals(expected & mask, readAcquire(memory.atomics(), at, size));
        }
    }

    private static GuestMemory memory(Arena arena) {
        GuestMemory memory = new GuestMemory();
        memory.add(0x1000, arena.allocate(0x1000, 4096));
        memory.add(0x3000, arena.allocate(0x1000, 4096));
        memory.add(0, arena.allocate(0x1000, 4096));
        return memory;
    }

    private static boolean exists(int at, int length) {
        return length == 0 || at + length <= 0x2000 || (at >= 0x3000 && at + length <= END);
    }

    /// Mostly around the borders.
    private static int near(Random random) {
        int border = random.nextInt(4) * 0x1000;
        return Math.clamp(border + random.nextInt(32) - 16, 0, END - 8);
    }

    private static void compareAround(GuestMemory memory, ByteBuffer model, int at)
            throws XenError {
        for (int i = Math.max(0, at - 8); i < at + 16; i++) {
            if (exists(i, 1)) {
                assertEquals(Byte.toUnsignedInt(model.get(i)), memory.read8(i));
            }
            if (exists(i, 2)) {
                assertEquals(Short.toUnsignedInt(model.getShort(i)), memory.read16(i));
            }
            if (exists(i, 4)) {
                assertEquals(model.getInt(i), memory.read32(i));
            }
            if (exists(i, 8)) {
                assertEquals(model.getLong(i), memory.read64(i));
            }
        }
    }

    private static void copyOut(GuestMemory memory, byte[] data, long at, boolean array)
            throws XenError {
        if (array) {
            memory.copyOut(data, 0, at, data.length);
        } else {
            memory.copyOut(MemorySegment.ofArray(data), 0, at, data.length);
        }
    }

    private static void copyIn(GuestMemory memory, long at, byte[] target, boolean array)
            throws XenError {
        if (array) {
            memory.copyIn(at, target, 0, target.length);
        } else {
            memory.copyIn(at, MemorySegment.ofArray(target), 0, target.length);
        }
    }

    private static void write(GuestMemory memory, long at, int size, long value) throws XenError {
        switch (size) {
            case 1 -> memory.write8(at, (int) value);
            case 2 -> memory.write16(at, (int) value);
            case 4 -> memory.write32(at, (int) value);
            default -> memory.write64(at, value);
        }
    }

    private static long read(GuestMemory memory, long at, int size) throws XenError {
        return switch (size) {
            case 1 -> memory.read8(at);
            case 2 -> memory.read16(at);
            case 4 -> memory.read32(at);
            default -> memory.read64(at);
        };
    }

    private static long readAcquire(GuestAtomics atomics, long at, int size) throws XenError {
        return switch (size) {
            case 1 -> atomics.readAcquire8(at);
            case 2 -> atomics.readAcquire16(at);
            case 4 -> Integer.toUnsignedLong(atomics.readAcquire32(at));
            default -> atomics.readAcquire64(at);
        };
    }

    private static long getAndOr(GuestAtomics atomics, long at, int size, long bits)
            throws XenError {
        return switch (size) {
            case 1 -> atomics.getAndOr8(at, (int) bits);
            case 2 -> atomics.getAndOr16(at, (int) bits);
            case 4 -> Integer.toUnsignedLong(atomics.getAndOr32(at, (int) bits));
            default -> atomics.getAndOr64(at, bits);
        };
    }

    private static long getAndAnd(GuestAtomics atomics, long at, int size, long bits)
            throws XenError {
        return switch (size) {
            case 1 -> atomics.getAndAnd8(at, (int) bits);
            case 2 -> atomics.getAndAnd16(at, (int) bits);
            case 4 -> Integer.toUnsignedLong(atomics.getAndAnd32(at, (int) bits));
            default -> atomics.getAndAnd64(at, bits);
        };
    }

    private static boolean compareAndSet(
            GuestAtomics atomics, long at, int size, long expected, long value) throws XenError {
        return switch (size) {
            case 1 -> atomics.compareAndSet8(at, (int) expected, (int) value);
            case 2 -> atomics.compareAndSet16(at, (int) expected, (int) value);
            case 4 -> atomics.compareAndSet32(at, (int) expected, (int) value);
            default -> atomics.compareAndSet64(at, expected, value);
        };
    }
}
