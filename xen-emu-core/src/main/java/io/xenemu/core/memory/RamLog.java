package io.xenemu.core.memory;

import io.xenemu.core.host.Teardown;
import io.xenemu.gnttab.GrantTable;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/// The pages of a domain's RAM that were written since a migration has last taken them, whoever has written: the guest
/// (KVM's log), or this process for it ([DirtyPages]).
///
/// Some pages can be written at any time without a trace: those that the guest has registered with Xen, such as a
/// vcpu_info or an event array, and those that others have mapped. [#held] names them; they are of use only when all
/// stand still. When such a use ends, the page is marked.
///
/// For one thread.
public final class RamLog implements AutoCloseable {
    private final DomainMemory memory;
    private final DomainFrames frames;
    private final GrantTable grants;
    private final DirtyPages own;
    private final Arena arena = Arena.ofConfined();
    private final List<SlotLog> slots = new ArrayList<>();

    private RamLog(DomainMemory memory, DomainFrames frames, GrantTable grants) {
        this.memory = memory;
        this.frames = frames;
        this.grants = grants;
        own = new DirtyPages(memory.ramViews(), memory.numbers().ram().count());
    }

    /// Begins a log of a domain that has none. At first all pages are in it. A write of this process that the log does
    /// not see any more is in memory when this returns.
    public static RamLog begin(DomainMemory memory, DomainFrames frames, GrantTable grants) {
        RamLog log = new RamLog(memory, frames, grants);
        boolean done = false;
        try {
            memory.logTo(log.own);
            for (SlotLog.Slot slot : memory.ramSlots()) {
                log.slots.add(SlotLog.begin(memory.vm(), slot, log.arena));
            }
            done = true;
            return log;
        } finally {
            if (!done) {
                log.close();
            }
        }
    }

    /// Takes the pages that were written. Before a page's content is read, [#forget] has to be called for it.
    public BitSet take() {
        long[] words = new long[Math.toIntExact((pages() + Long.SIZE - 1) / Long.SIZE)];
        own.takeTo(words);
        slots.forEach(slot -> slot.addTo(words));
        return BitSet.valueOf(words);
    }

    /// Makes later writes to some of the taken pages count for the next time.
    ///
    /// @param from number of the first page
    /// @param to that after the last one
    public void forget(long from, long to) {
        slots.forEach(slot -> slot.forget(from, to));
    }

    /// The pages that can be written without a trace. The domain stands still.
    public BitSet held() {
        BitSet held = memory.written();
        frames.writableByOthers(grants, held);
        return held;
    }

    /// The number of all pages.
    public long pages() {
        return memory.numbers().ram().count();
    }

    /// Ends the log.
    @Override
    public void close() {
        if (!arena.scope().isAlive()) {
            return;
        }
        Teardown all = new Teardown();
        all.add(arena::close);
        slots.forEach(slot -> all.add(slot::end));
        all.add(() -> memory.logTo(null));
        all.close();
    }
}
