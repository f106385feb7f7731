package io.xenemu.gnttab;

import io.xenemu.kvm.memory.GuestMemory;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The service's own record of which entries are in use, for 512 consecutive references (Xen's `active_grant_entry`).
/// It is authoritative: an entry is read when it comes into use, and a guest that rewrites an entry in use gains
/// nothing.
///
/// The caller of every method holds [#lock]. Exceptions are [#mfn], [#start], [#length] and [#behind]. Their values do
/// not change while the entry is in use, so a user of the entry may call them without the lock.
final class ActiveEntries {
    /// References in a block.
    static final int SIZE = 512;

    /// How often an entry may be in use for reading, and how often for writing. Xen refuses at this count, half the
    /// range of its 8-bit counters.
    static final int MAX_PINS = 128;

    private static final int PART = 1 << 31;
    private static final int MAX_START = 0x7fff;

    final ReentrantLock lock = new ReentrantLock();

    /// The copy of the entry that is being processed.
    final GrantEntry copy = new GrantEntry();

    private final short[] readers = new short[SIZE];
    private final short[] writers = new short[SIZE];

    /// How many of both are copies under way; the others are mappings.
    private final short[] copies = new short[SIZE];

    private final short[] user = new short[SIZE];
    private final long[] gfn = new long[SIZE];
    private final long[] mfn = new long[SIZE];

    /// Empty until a part of a page is used. [#PART], the part's start in the rest of the upper half, its length in
    /// the lower half; 0 for a whole page.
    private int[] parts = {};

    /// Empty until a transitive grant is used: the granting side of the grant behind it.
    private @Nullable Pins[] behind = {};

    private int[] refBehind = {};

    boolean isPinned(int entry) {
        return readers[entry] != 0 || writers[entry] != 0;
    }

    int readers(int entry) {
        return readers[entry];
    }

    int writers(int entry) {
        return writers[entry];
    }

    /// Whether some use of the entry is a mapping.
    boolean isMapped(int entry) {
        return mappings(entry) != 0;
    }

    private int mappings(int entry) {
        return readers[entry] + writers[entry] - copies[entry];
    }

    /// How often the block's entries are mapped.
    int mappings() {
        int all = 0;
        for (int i = 0; i < SIZE; i++) {
            all += mappings(i);
        }
        return all;
    }

    /// Both counts in one number, to compare.
    int pins(int entry) {
        return readers[entry] << Short.SIZE | writers[entry];
    }

    int user(int entry) {
        return Short.toUnsignedInt(user[entry]);
    }

    /// The guest frame, as the entry named it when it came into use.
    long gfn(int entry) {
        return gfn[entry];
    }

    long mfn(int entry) {
        return mfn[entry];
    }

    /// Offset in the page at which the grant begins, bytes.
    int start(int entry) {
        return parts.length == 0 ? 0 : parts[entry] >>> Short.SIZE & MAX_START;
    }

    /// The number of bytes of the page that are granted.
    int length(int entry) {
        return isPart(entry) ? parts[entry] & 0xffff : GuestMemory.PAGE_SIZE;
    }

    /// Whether the entry cannot be mapped: it grants a part of a page, or is transitive.
    boolean isPart(int entry) {
        return parts.length != 0 && parts[entry] != 0;
    }

    /// The granting side of the grant behind a transitive one; null for any other grant.
    @Nullable Pins behind(int entry) {
        return behind.length == 0 ? null : behind[entry];
    }

    int refBehind(int entry) {
        return refBehind[entry];
    }

    /// Whether this record allows `by` one more use of the entry.
    boolean admits(int entry, int by) {
        return !isPinned(entry)
                || (user(entry) == by && readers[entry] < MAX_PINS && writers[entry] < MAX_PINS);
    }

    /// Whether one more use changes the entry's flags in use.
    boolean needsMark(int entry, boolean readOnly) {
        return !isPinned(entry) || (!readOnly && writers[entry] == 0);
    }

    /// Describes an entry that comes into use, as a grant of a whole page.
    void describe(int entry, int by, long frame, long machineFrame) {
        user[entry] = (short) by;
        gfn[entry] = frame;
        mfn[entry] = machineFrame;
        if (parts.length != 0) {
            parts[entry] = 0;
        }
        if (behind.length != 0) {
            behind[entry] = null;
        }
    }

    /// Makes the described grant one of a part of the page, which prevents mapping it.
    ///
    /// @param start 0 to 65535, of which 15 bits are kept, as in Xen
    /// @param length 0 to 65535
    void describePart(int entry, int start, int length) {
        if (parts.length == 0) {
            parts = new int[SIZE];
        }
        parts[entry] = PART | (start & MAX_START) << Short.SIZE | length;
    }

    /// Makes the described grant a transitive one.
    void describeBehind(int entry, Pins pins, int ref) {
        if (behind.length == 0) {
            refBehind = new int[SIZE];
            behind = new @Nullable Pins[SIZE];
        }
        behind[entry] = pins;
        refBehind[entry] = ref;
    }

    void count(int entry, boolean readOnly, int change) {
        if (readOnly) {
            readers[entry] += (short) change;
        } else {
            writers[entry] += (short) change;
        }
    }

    /// Counts a use that is a copy, as [#count] does, too.
    void countCopy(int entry, boolean readOnly, int change) {
        count(entry, readOnly, change);
        copies[entry] += (short) change;
    }

    /// The flags in use to clear after a use of that kind has ended or failed.
    int cleared(int entry, boolean readOnly) {
        int flags = !readOnly && writers[entry] == 0 ? Gtf.WRITING : 0;
        return isPinned(entry) ? flags : flags | Gtf.READING;
    }
}
