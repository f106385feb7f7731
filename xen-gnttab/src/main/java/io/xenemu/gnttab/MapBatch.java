package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import org.jspecify.annotations.Nullable;

/// Operations of `GNTTABOP_map_grant_ref` that [GrantTable#map] serves together, and their results. Belongs to one
/// vCPU and is used again, so that a mapping allocates no object.
public final class MapBatch {
    /// The most operations of a batch: as many as Xen unmaps together (`GNTTAB_UNMAP_BATCH_SIZE`).
    public static final int SIZE = 32;

    final long[] gfns = new long[SIZE];
    final int[] flags = new int[SIZE];
    final int[] refs = new int[SIZE];
    final DomId[] doms = new DomId[SIZE];
    final GrantStatus[] statuses = new GrantStatus[SIZE];
    final int[] handles = new int[SIZE];
    final long[] mfns = new long[SIZE];

    /// The granting side of each operation whose entry is in use for it.
    final @Nullable Pins[] granters = new Pins[SIZE];

    /// Those whose page the guest sees.
    final boolean[] placed = new boolean[SIZE];

    final FrameOrder order = new FrameOrder(SIZE);
    private int count;

    /// A batch without operations.
    public MapBatch() {}

    /// Forgets all operations and results.
    public void clear() {
        count = 0;
    }

    /// Adds an operation.
    ///
    /// @param hostAddr the guest-physical address at which to map the page; the offset in the page is ignored
    /// @param flag `GNTMAP_*`
    /// @param ref the entry (`grant_ref_t`), unsigned; not an object, so that a mapping allocates none
    /// @param dom the granting domain; not `DOMID_SELF`
    /// @throws IndexOutOfBoundsException if there are [#SIZE] already
    public void add(long hostAddr, int flag, int ref, DomId dom) {
        gfns[count] = hostAddr >>> GuestMappings.PAGE_SHIFT;
        flags[count] = flag;
        refs[count] = ref;
        doms[count] = dom;
        count++;
    }

    /// The number of operations.
    public int count() {
        return count;
    }

    /// The result of an operation: see [GrantTable#map].
    public GrantStatus status(int operation) {
        return statuses[operation];
    }

    /// The handle of a mapping that was made, to unmap with (`handle`): 0 to 2^24 - 1.
    public int handle(int operation) {
        return handles[operation];
    }

    /// The machine address of a page that was mapped (`dev_bus_addr`), useful only to tell pages apart.
    public long busAddress(int operation) {
        return mfns[operation] << GuestMappings.PAGE_SHIFT;
    }

    boolean isReadOnly(int operation) {
        return (flags[operation] & GuestMappings.GNTMAP_READONLY) != 0;
    }

    /// Whether the pages of two operations follow one another in the memory of one domain, to be mapped in the same
    /// way.
    boolean pageFollows(int first, int second) {
        Pins granter = granters[first];
        return granter != null
                && granter == granters[second]
                && mfns[second] == mfns[first] + 1
                && isReadOnly(first) == isReadOnly(second);
    }
}
