package io.xenemu.gnttab;

import org.jspecify.annotations.Nullable;

/// Operations of `GNTTABOP_unmap_grant_ref` that [GrantTable#unmap] serves together, and their results. Belongs to
/// one vCPU and is used again.
public final class UnmapBatch {
    /// The most operations of a batch: as in Xen (`GNTTAB_UNMAP_BATCH_SIZE`).
    public static final int SIZE = 32;

    final long[] addresses = new long[SIZE];
    final int[] handles = new int[SIZE];
    final GrantStatus[] statuses = new GrantStatus[SIZE];

    /// The granting side of each operation whose handle is taken for it.
    final @Nullable Pins[] granters = new Pins[SIZE];

    /// Those whose page the guest does not see any more.
    final boolean[] removed = new boolean[SIZE];

    final FrameOrder order = new FrameOrder(SIZE);

    /// The pages at frames that follow one another.
    final long[] mfns = new long[SIZE];

    private int count;

    /// A batch without operations.
    public UnmapBatch() {}

    /// Forgets all operations and results.
    public void clear() {
        count = 0;
    }

    /// Adds an operation.
    ///
    /// @param hostAddr an address in the page at which the grant was mapped; 0 does nothing, as in Xen
    /// @param handle any 32 bits
    /// @throws IndexOutOfBoundsException if there are [#SIZE] already
    public void add(long hostAddr, int handle) {
        addresses[count] = hostAddr;
        handles[count] = handle;
        count++;
    }

    /// The number of operations.
    public int count() {
        return count;
    }

    /// The result of an operation: see [GrantTable#unmap].
    public GrantStatus status(int operation) {
        return statuses[operation];
    }
}
