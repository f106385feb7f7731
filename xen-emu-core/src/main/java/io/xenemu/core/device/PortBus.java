package io.xenemu.core.device;

import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/// Routes a guest's port accesses. An access without a device reads as all ones or is dropped, as on a PC. Such
/// accesses are counted: a guest that makes many looks for a device that does not exist here.
public final class PortBus {
    /// A byte that nothing answers.
    static final int NOT_DRIVEN = 0xff;

    private final Range[] ranges;
    private final LongAdder unclaimed = new LongAdder();

    /// @throws IllegalArgumentException for ranges that overlap
    public PortBus(List<Range> ranges) {
        this.ranges =
                ranges.stream().sorted(Comparator.comparingInt(Range::first)).toArray(Range[]::new);
        for (int i = 1; i < this.ranges.length; i++) {
            if (this.ranges[i].first <= this.ranges[i - 1].last) {
                throw new IllegalArgumentException(
                        this.ranges[i] + " overlaps " + this.ranges[i - 1]);
            }
        }
    }

    /// Handles a guest's read of `size` bytes (1, 2 or 4) from `port`; the result is in the low bits. The device of
    /// the first port gets the access.
    public int read(int port, int size) {
        Range range = find(port);
        return range == null ? allOnes(size) : range.device.read(port, size);
    }

    /// Handles a guest's write of the low `size` bytes (1, 2 or 4) of `value` to `port`; see [#read].
    public void write(int port, int size, int value) {
        Range range = find(port);
        if (range != null) {
            range.device.write(port, size, value & allOnes(size));
        }
    }

    /// The value of a read of `size` bytes that nothing answers.
    static int allOnes(int size) {
        return size == Integer.BYTES ? -1 : (1 << (8 * size)) - 1;
    }

    /// The number of accesses without a device.
    public long unclaimed() {
        return unclaimed.sum();
    }

    private @Nullable Range find(int port) {
        for (Range range : ranges) {
            if (port >= range.first && port <= range.last) {
                return range;
            }
        }
        unclaimed.increment();
        return null;
    }

    /// A device and its ports.
    ///
    /// @param first lowest port
    /// @param last highest port, included
    /// @param device handles the accesses
    public record Range(int first, int last, WidePortDevice device) {
        /// A device that is 8 bits wide.
        public Range(int first, int last, PortDevice device) {
            this(first, last, new BytePorts(last, device));
        }

        /// Checks the ports.
        ///
        /// @throws IllegalArgumentException if they are none
        public Range {
            if (first < 0 || last > 0xffff || first > last) {
                throw new IllegalArgumentException("ports " + first + " to " + last);
            }
        }
    }
}
