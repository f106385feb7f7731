package io.xenemu.core.memory;

import java.util.concurrent.atomic.AtomicLong;

/// Numbers the pages of all domains of a service. A number is never reused, since other domains may still use a page
/// of a domain that is gone. Any thread may use it.
public final class MachineFrames {
    /// Numbers are below this (see `GuestFrames`): they suffice for 8 million domains of 1 TiB.
    private static final long LIMIT = 1L << 51;

    /// The first number. It is above a guest's own low frames, so that the two are not confused.
    private static final long FIRST = 1L << 20;

    private final AtomicLong next = new AtomicLong(FIRST);

    /// Numbers, none given out yet.
    public MachineFrames() {}

    /// The highest number that has been given out.
    public long highest() {
        return next.get() - 1;
    }

    /// Gives out consecutive numbers.
    ///
    /// @return the first of them
    long reserve(long pages) {
        long first = next.getAndAdd(pages);
        if (pages < 0 || first < 0 || first > LIMIT - pages) {
            throw new IllegalStateException("no machine frame numbers left: " + first);
        }
        return first;
    }
}
