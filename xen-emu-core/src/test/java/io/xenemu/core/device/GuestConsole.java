package io.xenemu.core.device;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The guest's end of the console page.
final class GuestConsole {
    static final int IN_CONS = 0xc00;
    static final int IN_PROD = 0xc04;
    static final int OUT_CONS = 0xc08;
    static final int OUT_PROD = 0xc0c;
    static final int CONNECTION = 0xc10;

    final MemorySegment page;

    GuestConsole(Arena arena, int firstIndex) {
        page = arena.allocate(4096, 4096);
        for (int index : new int[] {IN_CONS, IN_PROD, OUT_CONS, OUT_PROD}) {
            set(index, firstIndex);
        }
    }

    int get(int index) {
        return page.get(ValueLayout.JAVA_INT, index);
    }

    void set(int index, int value) {
        page.set(ValueLayout.JAVA_INT, index, value);
    }

    /// Writes as much as there is room for, and says how much.
    int print(byte[] bytes, int offset, int length) {
        int prod = get(OUT_PROD);
        int count = Math.min(length, 2048 - (prod - get(OUT_CONS)));
        for (int i = 0; i < count; i++) {
            page.set(ValueLayout.JAVA_BYTE, 0x400 + ((prod + i) & 2047), bytes[offset + i]);
        }
        set(OUT_PROD, prod + count);
        return count;
    }

    /// Reads up to `length` bytes, and says how many.
    int read(byte[] bytes, int offset, int length) {
        int cons = get(IN_CONS);
        int count = Math.min(length, get(IN_PROD) - cons);
        for (int i = 0; i < count; i++) {
            bytes[offset + i] = page.get(ValueLayout.JAVA_BYTE, (cons + i) & 1023);
        }
        set(IN_CONS, cons + count);
        return count;
    }
}
