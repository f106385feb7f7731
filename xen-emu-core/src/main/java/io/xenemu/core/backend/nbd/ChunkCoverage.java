package io.xenemu.core.backend.nbd;

import java.util.TreeMap;

/// The parts of a read that came out of order, so that none comes twice and none is missing.
final class ChunkCoverage {
    /// More chunks for one read break the connection: a server is to send few.
    private static final int MOST_CHUNKS = 4096;

    private final TreeMap<Long, Long> ends = new TreeMap<>();

    /// Adds a part.
    ///
    /// @return false if it overlaps an earlier one, or there are too many
    boolean add(long begin, long length) {
        var before = ends.lowerEntry(begin + length);
        if (ends.size() >= MOST_CHUNKS || (before != null && before.getValue() > begin)) {
            return false;
        }
        ends.put(begin, begin + length);
        return true;
    }

    /// Where the parts that follow `begin` without a gap end.
    long endFrom(long begin) {
        long end = begin;
        for (Long next = ends.get(end); next != null; next = ends.get(end)) {
            end = next;
        }
        return end;
    }
}
