package io.xenemu.gnttab;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// A guest with 16 pages of RAM and its grant table, as the guest itself sees it.
final class FakeDomain {
    static final DomId ID = new DomId(3);
    static final int RAM_PAGES = 16;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();

    final MeterRegistry registry = new SimpleMeterRegistry();
    final MemorySegment ram;
    final MemorySegment tableMemory;
    final GuestMemory memory = new GuestMemory();
    final GrantTable table;

    FakeDomain(Arena arena, int maxFrames) {
        ram = arena.allocate((long) RAM_PAGES * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
        tableMemory =
                arena.allocate((long) maxFrames * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
        memory.add(0, ram);
        table =
                new GrantTable(
                        ID,
                        maxFrames,
                        id -> id.value() <= ID.value(),
                        this::frame,
                        memory,
                        new GrantTableMetrics(registry, ID));
    }

    MemorySegment frame(int index) {
        return tableMemory.asSlice((long) index * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
    }

    void grant(int ref, int flags, DomId to, int gfn) {
        WORD.setVolatile(tableMemory, 8L * ref + 4, gfn);
        WORD.setVolatile(tableMemory, 8L * ref, flags | to.value() << 16);
    }

    /// What Linux does to end a grant: clear the flags unless the entry is in use.
    boolean revoke(int ref) {
        int seen = (int) WORD.getVolatile(tableMemory, 8L * ref);
        while ((seen & (GrantFrame.READING | GrantFrame.WRITING)) == 0) {
            int found = (int) WORD.compareAndExchange(tableMemory, 8L * ref, seen, 0);
            if (found == seen) {
                return true;
            }
            seen = found;
        }
        return false;
    }

    int flags(int ref) {
        return (int) WORD.getVolatile(tableMemory, 8L * ref) & 0xffff;
    }

    void setFrame(int ref, int gfn) {
        WORD.setVolatile(tableMemory, 8L * ref + 4, gfn);
    }
}
