package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/// The walk against [PageWalkModel]: memory full of random entries, so that every walk meets them.
class PageWalkPropertyTest {
    private static final int PAGES = 8;
    private static final int WALKS = 64;

    @Property(tries = 200)
    void unpagedIsTheAddressItself(@ForAll long seed) throws Exception {
        compare(seed, Registers.unpaged());
    }

    @Property(tries = 200)
    void legacyWalkIsTheModels(@ForAll long seed, @ForAll boolean largePages) throws Exception {
        Registers cpu = Registers.legacy(table(seed));
        compare(seed, largePages ? cpu : new Registers(cpu.cr0(), cpu.cr3(), 0, cpu.efer(), false));
    }

    @Property(tries = 200)
    void paeWalkIsTheModels(@ForAll long seed) throws Exception {
        compare(seed, Registers.pae(table(seed) + 32L * Math.floorMod(seed, 128)));
    }

    @Property(tries = 200)
    void fourLevelWalkIsTheModels(@ForAll long seed) throws Exception {
        compare(seed, Registers.fourLevel(table(seed)));
    }

    @Property(tries = 200)
    void fiveLevelWalkIsTheModels(@ForAll long seed) throws Exception {
        compare(seed, Registers.fiveLevel(table(seed)));
    }

    @Property(tries = 100)
    void compatibilityModeWalksWithTheLow32Bits(@ForAll long seed) throws Exception {
        compare(seed, Registers.fourLevel(table(seed)).compatibility());
    }

    @Property(tries = 100)
    void executeDisableIsReservedUnlessEnabled(@ForAll long seed) throws Exception {
        Registers cpu = Registers.fourLevel(table(seed));
        compare(seed, new Registers(cpu.cr0(), cpu.cr3(), cpu.cr4(), Registers.LMA, true));
    }

    /// Guards the other properties against tables of which nothing can be reached.
    @Property(tries = 20)
    void manyRandomWalksArrive(@ForAll long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] tables = tables(random, 8, true);
        PageWalkModel model = new PageWalkModel(tables);
        int arrived = 0;
        for (int i = 0; i < 1000; i++) {
            long address = address(random, Registers.fiveLevel(0));
            if (model.translate(Registers.fiveLevel(0), address, false).isPresent()) {
                arrived++;
            }
        }
        assertTrue(arrived > 50, "only " + arrived);
    }

    private static void compare(long seed, Registers given) throws Exception {
        SplittableRandom random = new SplittableRandom(seed);
        Registers cpu = random.nextInt(4) == 0 ? given.withoutWriteProtect() : given;
        int entryBytes = (cpu.cr4() & Registers.PAE) != 0 ? 8 : 4;
        byte[] expected = tables(random, entryBytes, (cpu.efer() & Registers.LMA) != 0);
        PageWalkModel model = new PageWalkModel(expected);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ram = arena.allocate(PAGES * 4096L, 4096);
            MemorySegment.copy(expected, 0, ram, ValueLayout.JAVA_BYTE, 0, expected.length);
            GuestMemory memory = new GuestMemory();
            memory.add(0, ram);
            PageWalk walk = new PageWalk(memory);
            for (int i = 0; i < WALKS; i++) {
                long address = address(random, cpu);
                boolean write = random.nextBoolean();
                OptionalLong there = model.translate(cpu, address, write);
                assertEquals(
                        there,
                        walked(walk, cpu, address, write),
                        () -> "%s 0x%x %s".formatted(cpu, address, write));
                if (there.isPresent() && !write) {
                    byte[] written = expected.clone();
                    OptionalLong forWrites =
                            new PageWalkModel(written).translate(cpu, address, true);
                    assertEquals(
                            forWrites.equals(there) && Arrays.equals(written, expected),
                            walk.holdsForWrites(),
                            () -> "%s 0x%x".formatted(cpu, address));
                }
            }
            assertArrayEquals(expected, ram.toArray(ValueLayout.JAVA_BYTE));
        }
    }

    private static OptionalLong walked(PageWalk walk, Registers cpu, long address, boolean write) {
        try {
            return OptionalLong.of(walk.translate(cpu, address, write));
        } catch (XenError e) {
            assertEquals(XenError.EFAULT, e);
            return OptionalLong.empty();
        }
    }

    private static long table(long seed) {
        return Math.floorMod(seed, PAGES) * 4096L;
    }

    private static byte[] tables(SplittableRandom random, int entryBytes, boolean longMode) {
        ByteBuffer bytes = ByteBuffer.allocate(PAGES * 4096).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            if (entryBytes == 4) {
                bytes.putInt((int) entry(random, 22, true));
            } else {
                bytes.putLong(entry(random, random.nextBoolean() ? 21 : 30, longMode));
            }
        }
        return bytes.array();
    }

    /// Mostly a plausible entry for one of the tables, sometimes a large page, sometimes with any one bit flipped.
    private static long entry(SplittableRandom random, int largeShift, boolean rightsEverywhere) {
        long flags = 1 | (random.nextInt(8) << 9);
        if (rightsEverywhere || random.nextInt(3) > 0) {
            flags |= random.nextInt(256) & 0x7e;
        }
        if (random.nextInt(8) > 0) {
            flags |= rightsEverywhere ? 2 : 0;
        }
        long entry = flags | ((long) random.nextInt(PAGES) << 12);
        if (random.nextInt(4) == 0) {
            entry = flags | 0x80 | ((long) random.nextInt(64) << largeShift);
            entry |= random.nextInt(2) << 12;
        }
        return random.nextInt(12) == 0 ? entry ^ (1L << random.nextInt(64)) : entry;
    }

    private static long address(SplittableRandom random, Registers cpu) {
        long address = random.nextLong();
        if (!cpu.longMode() || random.nextInt(8) == 0) {
            return address;
        }
        int unused = (cpu.cr4() & Registers.LA57) != 0 ? 7 : 16;
        return (address << unused) >> unused;
    }
}
