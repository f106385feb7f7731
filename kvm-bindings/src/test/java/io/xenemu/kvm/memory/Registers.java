package io.xenemu.kvm.memory;

/// Registers as a test sets them.
record Registers(long cr0, long cr3, long cr4, long efer, boolean longMode) implements CpuState {
    static final long PG = 1L << 31;
    static final long WP = 1L << 16;
    static final long PSE = 1L << 4;
    static final long PAE = 1L << 5;
    static final long LA57 = 1L << 12;
    static final long LMA = 1L << 10;
    static final long NXE = 1L << 11;

    static Registers unpaged() {
        return new Registers(0, 0, 0, 0, false);
    }

    static Registers legacy(long cr3) {
        return new Registers(PG | WP, cr3, PSE, 0, false);
    }

    static Registers pae(long cr3) {
        return new Registers(PG | WP, cr3, PAE, NXE, false);
    }

    static Registers fourLevel(long cr3) {
        return new Registers(PG | WP, cr3, PAE, LMA | NXE, true);
    }

    static Registers fiveLevel(long cr3) {
        return new Registers(PG | WP, cr3, PAE | LA57, LMA | NXE, true);
    }

    /// A 32-bit code segment under the same paging.
    Registers compatibility() {
        return new Registers(cr0, cr3, cr4, efer, false);
    }

    Registers withoutWriteProtect() {
        return new Registers(cr0 & ~WP, cr3, cr4, efer, longMode);
    }
}
