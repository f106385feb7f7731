package io.xenemu.core.memory;

import io.xenemu.core.vm.GuestView;
import io.xenemu.core.vm.VmPort;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// KVM's log of the guest's writes to one slot of RAM. Not thread-safe.
final class SlotLog {
    private final VmPort vm;
    private final Slot slot;
    private final int pages;

    /// The pages that [#addTo] has read, and [#forget] has not forgotten yet.
    private final MemorySegment read;

    /// A slot of a domain's RAM.
    ///
    /// @param number KVM's
    /// @param start guest-physical address
    /// @param view the guest's mapping
    /// @param first the number of its first page
    record Slot(int number, long start, GuestView view, long first) {}

    private SlotLog(VmPort vm, Slot slot, Arena arena) {
        this.vm = vm;
        this.slot = slot;
        pages = Math.toIntExact(slot.view().bytes() / GuestMemory.PAGE_SIZE);
        read = arena.allocate(ValueLayout.JAVA_LONG, (pages + Long.SIZE - 1) / Long.SIZE);
    }

    /// Begins a log. At first all pages are in it.
    ///
    /// @param arena owns its memory
    static SlotLog begin(VmPort vm, Slot slot, Arena arena) {
        SlotLog log = new SlotLog(vm, slot, arena);
        vm.logWrites(slot.number(), slot.start(), slot.view(), true);
        return log;
    }

    /// Adds the pages in the log to a set.
    ///
    /// @param words of the set, by the pages' numbers
    void addTo(long[] words) {
        vm.writtenPages(slot.number(), read);
        int shift = (int) (slot.first() % Long.SIZE);
        int at = (int) (slot.first() / Long.SIZE);
        for (int i = 0; i < words(); i++) {
            long word = read.getAtIndex(ValueLayout.JAVA_LONG, i);
            words[at + i] |= word << shift;
            if (shift != 0 && word >>> -shift != 0) {
                words[at + i + 1] |= word >>> -shift;
            }
        }
    }

    private int words() {
        return Math.toIntExact(read.byteSize() / Long.BYTES);
    }

    /// Takes pages out of the log that [#addTo] has read, before their contents are read. KVM takes whole words, so
    /// that a few pages more are taken out: they are of the same set.
    ///
    /// @param from number of the first page
    /// @param to that after the last one
    void forget(long from, long to) {
        long first = Math.max(0, from - slot.first());
        long end = Math.min(pages, to - slot.first());
        if (first >= end) {
            return;
        }
        int word = (int) (first / Long.SIZE);
        int count = (int) ((end + Long.SIZE - 1) / Long.SIZE) - word;
        MemorySegment part = read.asSlice((long) word * Long.BYTES, (long) count * Long.BYTES);
        int firstPage = word * Long.SIZE;
        vm.forgetWritten(
                slot.number(), firstPage, Math.min(count * Long.SIZE, pages - firstPage), part);
        // What is written from now on must not be taken out a second time.
        part.fill((byte) 0);
    }

    /// Ends the log.
    void end() {
        vm.logWrites(slot.number(), slot.start(), slot.view(), false);
    }
}
