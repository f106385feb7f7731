package io.xenemu.gnttab;

/// The operations of one batch, by the guest frames at which they are. Neighbours then follow one another, so that
/// one change of the address space serves all of them.
///
/// Belongs to a batch, and is used again with it.
final class FrameOrder {
    private final int[] operations;
    private final long[] gfns;
    private int count;

    /// @param limit the most operations of a batch
    FrameOrder(int limit) {
        operations = new int[limit];
        gfns = new long[limit];
    }

    /// Forgets all operations.
    void clear() {
        count = 0;
    }

    /// Puts an operation in its place. Those at the same frame stay in the order in which they came.
    ///
    /// @param gfn 0 to 2^52 - 1
    void add(int operation, long gfn) {
        int at = count;
        while (at > 0 && gfns[at - 1] > gfn) {
            gfns[at] = gfns[at - 1];
            operations[at] = operations[at - 1];
            at--;
        }
        gfns[at] = gfn;
        operations[at] = operation;
        count++;
    }

    /// The number of operations that have been added.
    int count() {
        return count;
    }

    /// The operation at a place of the order.
    int operation(int place) {
        return operations[place];
    }

    /// The guest frame of the operation at a place.
    long gfn(int place) {
        return gfns[place];
    }

    /// Whether the operation at a place is at the frame after that of the place before.
    boolean isNeighbour(int place) {
        return gfns[place] == gfns[place - 1] + 1;
    }
}
