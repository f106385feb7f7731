package io.xenemu.gnttab;

import java.util.Arrays;

/// The pages of a domain that others use, with the number of entries for each: an open-addressed table from machine
/// frame to count. Its lock is a leaf. Allocates only to grow, with the number of different pages in use at a time.
final class PinnedFrames {
    private static final int INITIAL_CAPACITY = 64;
    private static final long EMPTY = -1;

    private long[] frames = new long[INITIAL_CAPACITY];
    private int[] counts = new int[INITIAL_CAPACITY];
    private int used;

    PinnedFrames() {
        Arrays.fill(frames, EMPTY);
    }

    /// Whether an entry that is in use grants the page.
    synchronized boolean contains(long mfn) {
        return frames[find(mfn)] == mfn;
    }

    synchronized void add(long mfn) {
        int slot = find(mfn);
        if (frames[slot] == EMPTY) {
            if (2 * (used + 1) > frames.length) {
                grow();
                slot = find(mfn);
            }
            frames[slot] = mfn;
            used++;
        }
        counts[slot]++;
    }

    /// Reverts one [#add].
    ///
    /// @return whether that was the last entry that grants the page
    synchronized boolean remove(long mfn) {
        int slot = find(mfn);
        if (frames[slot] != mfn) {
            throw new IllegalStateException("not pinned: %#x".formatted(mfn));
        }
        if (--counts[slot] > 0) {
            return false;
        }
        delete(slot);
        return true;
    }

    /// The pages that are in use, in ascending order.
    synchronized long[] all() {
        return Arrays.stream(frames).filter(frame -> frame != EMPTY).sorted().toArray();
    }

    /// The slot of a frame, or the empty one where it belongs.
    private int find(long mfn) {
        int mask = frames.length - 1;
        int slot = home(mfn);
        while (frames[slot] != EMPTY && frames[slot] != mfn) {
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    private int home(long mfn) {
        // A multiplication by 2^64 / phi spreads neighbours over the table.
        long spread = mfn * 0x9e37_79b9_7f4a_7c15L;
        return (int) (spread >>> (Long.SIZE - Integer.numberOfTrailingZeros(frames.length)));
    }

    private void grow() {
        long[] oldFrames = frames;
        int[] oldCounts = counts;
        frames = new long[2 * oldFrames.length];
        counts = new int[frames.length];
        Arrays.fill(frames, EMPTY);
        for (int i = 0; i < oldFrames.length; i++) {
            if (oldFrames[i] != EMPTY) {
                int slot = find(oldFrames[i]);
                frames[slot] = oldFrames[i];
                counts[slot] = oldCounts[i];
            }
        }
    }

    /// Empties a slot, and moves back entries that were put behind it because their own slot was taken.
    private void delete(int slot) {
        int mask = frames.length - 1;
        int hole = slot;
        frames[hole] = EMPTY;
        used--;
        for (int next = (hole + 1) & mask; frames[next] != EMPTY; next = (next + 1) & mask) {
            int distance = (next - home(frames[next])) & mask;
            if (distance >= ((next - hole) & mask)) {
                frames[hole] = frames[next];
                counts[hole] = counts[next];
                frames[next] = EMPTY;
                counts[next] = 0;
                hole = next;
            }
        }
        counts[hole] = 0;
    }
}
