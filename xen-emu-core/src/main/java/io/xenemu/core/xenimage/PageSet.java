package io.xenemu.core.xenimage;

import java.util.BitSet;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/// A set of guest frames. It is small where frames follow one another, however high they are.
final class PageSet {
    /// Frames of one part of the set.
    private static final int PART = 1 << 15;

    /// The parts that have been used, by their number.
    private final NavigableMap<Long, BitSet> parts = new TreeMap<>();

    private long size;

    /// Adds a frame.
    ///
    /// @return false if the set has it already
    boolean add(long frame) {
        BitSet part = parts.computeIfAbsent(frame / PART, _ -> new BitSet());
        int at = (int) (frame % PART);
        if (part.get(at)) {
            return false;
        }
        part.set(at);
        size++;
        return true;
    }

    /// Removes a frame.
    ///
    /// @return false if the set does not have it
    boolean remove(long frame) {
        BitSet part = parts.get(frame / PART);
        int at = (int) (frame % PART);
        if (part == null || !part.get(at)) {
            return false;
        }
        part.clear(at);
        size--;
        return true;
    }

    /// Whether the set has a frame.
    boolean has(long frame) {
        BitSet part = parts.get(frame / PART);
        return part != null && part.get((int) (frame % PART));
    }

    /// The number of frames.
    long size() {
        return size;
    }

    /// The first frame of the set that is at or after one; -1 if there is none.
    long next(long frame) {
        long number = frame / PART;
        int from = (int) (frame % PART);
        for (Map.Entry<Long, BitSet> part : parts.tailMap(number, true).entrySet()) {
            int at = part.getValue().nextSetBit(part.getKey() == number ? from : 0);
            if (at >= 0) {
                return part.getKey() * PART + at;
            }
        }
        return -1;
    }

    /// The last frame of the set that is before one; -1 if there is none.
    long lastBefore(long frame) {
        if (frame <= 0) {
            return -1;
        }
        long last = frame - 1;
        long number = last / PART;
        for (Map.Entry<Long, BitSet> part :
                parts.headMap(number, true).descendingMap().entrySet()) {
            int from = part.getKey() == number ? (int) (last % PART) : PART - 1;
            int at = part.getValue().previousSetBit(from);
            if (at >= 0) {
                return part.getKey() * PART + at;
            }
        }
        return -1;
    }
}
