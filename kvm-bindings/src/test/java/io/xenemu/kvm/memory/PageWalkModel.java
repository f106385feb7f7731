package io.xenemu.kvm.memory;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.OptionalLong;

/// A page walk as the processor manuals describe it, level by level, from tables of bit fields. Memory is one array at
/// address 0. Slow and separate from [PageWalk] on purpose.
final class PageWalkModel {
    /// @param low the lowest address bit that indexes this table
    /// @param bits how many address bits do
    /// @param entryBytes size of an entry
    /// @param large whether bit 7 makes the entry a page here
    /// @param pointer whether the entry is a PAE page-directory pointer
    private record Level(int low, int bits, int entryBytes, boolean large, boolean pointer) {}

    private final ByteBuffer memory;

    PageWalkModel(byte[] memory) {
        this.memory = ByteBuffer.wrap(memory).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// The physical address, or empty for a fault; sets accessed and dirty bits in the array.
    OptionalLong translate(Registers cpu, long linear, boolean write) {
        long address = cpu.longMode() ? linear : field(linear, 31, 0);
        if (!bit(cpu.cr0(), 31)) {
            return OptionalLong.of(field(address, 31, 0));
        }
        boolean legacy = !bit(cpu.cr4(), 5);
        boolean lma = bit(cpu.efer(), 10);
        boolean five = bit(cpu.cr4(), 12);
        if (legacy) {
            return walk(
                    List.of(
                            new Level(22, 10, 4, bit(cpu.cr4(), 4), false),
                            new Level(12, 10, 4, false, false)),
                    field(cpu.cr3(), 31, 12) << 12,
                    cpu,
                    address,
                    write);
        }
        Level page = new Level(12, 9, 8, false, false);
        Level directory = new Level(21, 9, 8, true, false);
        if (!lma) {
            return walk(
                    List.of(new Level(30, 2, 8, false, true), directory, page),
                    field(cpu.cr3(), 31, 5) << 5,
                    cpu,
                    address,
                    write);
        }
        long sign = field(address, 63, five ? 56 : 47);
        if (sign != 0 && sign != field(-1, 63, five ? 56 : 47)) {
            return OptionalLong.empty();
        }
        Level pointers = new Level(30, 9, 8, true, false);
        Level fourth = new Level(39, 9, 8, false, false);
        Level fifth = new Level(48, 9, 8, false, false);
        return walk(
                five
                        ? List.of(fifth, fourth, pointers, directory, page)
                        : List.of(fourth, pointers, directory, page),
                field(cpu.cr3(), 51, 12) << 12,
                cpu,
                address,
                write);
    }

    private OptionalLong walk(
            List<Level> levels, long table, Registers cpu, long address, boolean write) {
        boolean wide = levels.getLast().entryBytes == 8;
        for (Level level : levels) {
            long index = field(address, level.low + level.bits - 1, level.low);
            long at = table + index * level.entryBytes;
            if (at < 0 || at + level.entryBytes > memory.capacity()) {
                return OptionalLong.empty();
            }
            long entry = wide ? memory.getLong((int) at) : memory.getInt((int) at) & 0xffffffffL;
            if (!bit(entry, 0)
                    || reserved(level, entry, cpu)
                    || (write && !level.pointer && !bit(entry, 1) && bit(cpu.cr0(), 16))) {
                return OptionalLong.empty();
            }
            boolean last = level.equals(levels.getLast()) || (level.large && bit(entry, 7));
            if (!level.pointer) {
                long marks = (1L << 5) | (last && write ? 1L << 6 : 0);
                if (wide) {
                    memory.putLong((int) at, entry | marks);
                } else {
                    memory.putInt((int) at, (int) (entry | marks));
                }
            }
            if (last) {
                return OptionalLong.of(page(level, entry, wide) | field(address, level.low - 1, 0));
            }
            table = (wide ? field(entry, 51, 12) : field(entry, 31, 12)) << 12;
        }
        throw new AssertionError("no last level");
    }

    private static boolean reserved(Level level, long entry, Registers cpu) {
        if (level.entryBytes == 4) {
            return level.large && bit(entry, 7) && bit(entry, 21);
        }
        if (level.pointer) {
            return field(entry, 2, 1) != 0 || field(entry, 8, 6) != 0 || field(entry, 63, 52) != 0;
        }
        boolean pae = !bit(cpu.efer(), 10);
        return (bit(entry, 63) && !bit(cpu.efer(), 11))
                || (pae && field(entry, 62, 52) != 0)
                || (level.low >= 39 && bit(entry, 7))
                || (level.large && bit(entry, 7) && field(entry, level.low - 1, 13) != 0);
    }

    private static long page(Level level, long entry, boolean wide) {
        if (wide) {
            return field(entry, 51, level.low) << level.low;
        }
        return level.low == 22
                ? (field(entry, 31, 22) << 22) | (field(entry, 20, 13) << 32)
                : field(entry, 31, 12) << 12;
    }

    private static boolean bit(long value, int number) {
        return ((value >>> number) & 1) != 0;
    }

    /// Bits `high` to `low`, both included, moved down to bit 0.
    private static long field(long value, int high, int low) {
        return (value << (63 - high)) >>> (63 - high + low);
    }
}
