package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// One page of version-1 entries, which the guest writes (`struct grant_entry_v1`: flags and domid, 16 bits each, then a
/// 32-bit frame number), and the service's own account of which of them are mapped.
///
/// The account is authoritative: what an entry says is looked at when it is first mapped, and a guest that rewrites an
/// entry in use gains nothing. Methods that use the account are for the holder of this object's monitor.
final class GrantFrame {
    /// Entries in a page.
    static final int ENTRIES = 512;

    /// How often one entry may be mapped for reading, and how often for writing; Xen refuses at this count, where its 8-bit
    /// counters come near their end.
    static final int MAX_PINS = 128;

    static final int TYPE_MASK = 3;
    static final int PERMIT_ACCESS = 1;
    static final int READONLY = 1 << 2;
    static final int READING = 1 << 3;
    static final int WRITING = 1 << 4;
    static final int SUB_PAGE = 1 << 8;

    /// A guest may lawfully change an entry while it is being mapped, as from writable to read-only, but not for ever.
    private static final int MAX_ATTEMPTS = 5;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final int ENTRY_SIZE = 8;
    private static final int FRAME_OFFSET = 4;
    private static final int FLAGS = 0xffff;

    private final MemorySegment memory;
    private final short[] readers = new short[ENTRIES];
    private final short[] writers = new short[ENTRIES];
    private final short[] mapper = new short[ENTRIES];
    private final int[] gfn = new int[ENTRIES];

    /// Restored pins that no back end has taken over yet: those for reading, then those for writing. Empty in a frame
    /// without such.
    private short[] orphans = {};

    GrantFrame(MemorySegment memory) {
        this.memory = memory.asSlice(0, (long) ENTRIES * ENTRY_SIZE);
    }

    MemorySegment memory() {
        return memory;
    }

    boolean isPinned(int entry) {
        return readers[entry] != 0 || writers[entry] != 0;
    }

    int readers(int entry) {
        return readers[entry];
    }

    int writers(int entry) {
        return writers[entry];
    }

    DomId mapper(int entry) {
        return new DomId(Short.toUnsignedInt(mapper[entry]));
    }

    /// The frame that is mapped, as the entry named it when it was first mapped.
    int gfn(int entry) {
        return gfn[entry];
    }

    /// Whether `by` may map the entry once more, as far as the account knows.
    boolean admits(int entry, DomId by) {
        return !isPinned(entry)
                || (Short.toUnsignedInt(mapper[entry]) == by.value()
                        && readers[entry] < MAX_PINS
                        && writers[entry] < MAX_PINS);
    }

    /// Marks the entry as mapped, in guest memory and in the account, if the guest grants that.
    boolean pin(int entry, DomId by, boolean readOnly) {
        boolean first = !isPinned(entry);
        if ((first || (!readOnly && writers[entry] == 0)) && !mark(entry, by, readOnly, first)) {
            return false;
        }
        if (first) {
            mapper[entry] = (short) by.value();
            gfn[entry] = (int) WORD.getVolatile(memory, offset(entry) + FRAME_OFFSET);
        }
        if (readOnly) {
            readers[entry]++;
        } else {
            writers[entry]++;
        }
        return true;
    }

    /// Takes back one [#pin]. With the last one for writing the guest sees `GTF_writing` go, with the last one of all
    /// `GTF_reading`, and may revoke the grant from then on.
    void unpin(int entry, boolean readOnly) {
        if (readOnly) {
            readers[entry]--;
        } else {
            writers[entry]--;
        }
        int clear = 0;
        if (!readOnly && writers[entry] == 0) {
            clear |= WRITING;
        }
        if (!isPinned(entry)) {
            clear |= READING;
        }
        if (clear != 0) {
            WORD.getAndBitwiseAnd(memory, offset(entry), ~clear);
        }
    }

    /// Sets the account of an entry as it was saved; guest memory already agrees.
    void restore(int entry, DomId by, int frame, int readCount, int writeCount) {
        mapper[entry] = (short) by.value();
        gfn[entry] = frame;
        readers[entry] = (short) readCount;
        writers[entry] = (short) writeCount;
        if (orphans.length == 0) {
            orphans = new short[2 * ENTRIES];
        }
        orphans[orphan(entry, true)] = (short) readCount;
        orphans[orphan(entry, false)] = (short) writeCount;
    }

    /// Whether a restored pin waits for its back end.
    boolean hasOrphan(int entry, boolean readOnly) {
        return orphans.length != 0 && orphans[orphan(entry, readOnly)] > 0;
    }

    /// Gives one of them to a back end, which will [#unpin] it.
    void adopted(int entry, boolean readOnly) {
        orphans[orphan(entry, readOnly)]--;
    }

    private static int orphan(int entry, boolean readOnly) {
        return readOnly ? entry : ENTRIES + entry;
    }

    /// Writes an entry on behalf of the guest that will find it.
    void grant(int entry, DomId to, int frame) {
        WORD.setVolatile(memory, offset(entry) + FRAME_OFFSET, frame);
        WORD.setVolatile(memory, offset(entry), PERMIT_ACCESS | to.value() << Short.SIZE);
    }

    /// Sets the flags in use, together with the check that the entry grants it: flags and domid are one word, so that a
    /// revocation either comes first and is seen, or finds the flag.
    private boolean mark(int entry, DomId by, boolean readOnly, boolean first) {
        long at = offset(entry);
        int seen = (int) WORD.getVolatile(memory, at);
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            int flags = seen & FLAGS;
            if (first
                    && ((flags & (TYPE_MASK | SUB_PAGE)) != PERMIT_ACCESS
                            || seen >>> Short.SIZE != by.value())) {
                return false;
            }
            if (!readOnly && (flags & READONLY) != 0) {
                return false;
            }
            int marked = seen | READING | (readOnly ? 0 : WRITING);
            int found = (int) WORD.compareAndExchange(memory, at, seen, marked);
            if (found == seen) {
                return true;
            }
            seen = found;
        }
        return false;
    }

    private static long offset(int entry) {
        return (long) ENTRY_SIZE * entry;
    }
}
