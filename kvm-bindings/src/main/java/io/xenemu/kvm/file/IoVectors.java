package io.xenemu.kvm.file;

import io.xenemu.kvm.libc.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;

/// An array of `struct iovec` in native memory, to be filled again and again. Elements that continue the one before
/// are merged with it. Not thread-safe; allocates only when made.
///
/// The elements are host addresses: whoever adds one keeps its memory mapped until the call, or the transfer, that
/// uses the array has ended.
public final class IoVectors {
    /// The most elements that the kernel takes (`IOV_MAX`).
    public static final int MAX_COUNT = 1024;

    private static final long ELEMENT = 16;
    private static final long LENGTH = 8;

    private final MemorySegment array;
    private final int capacity;
    private int first;
    private int count;
    private long bytes;

    /// The address behind the last element, and its length. In fields, since each added page is compared with it.
    private long lastEnd;

    private long lastLength;

    /// @param capacity 1 to [#MAX_COUNT] elements
    public IoVectors(SegmentAllocator allocator, int capacity) {
        if (capacity < 1 || capacity > MAX_COUNT) {
            throw new IllegalArgumentException(capacity + " elements");
        }
        this.array = allocator.allocate(capacity * ELEMENT, Long.BYTES);
        this.capacity = capacity;
    }

    /// The most elements that fit.
    public int capacity() {
        return capacity;
    }

    /// Removes all elements.
    public void clear() {
        first = 0;
        count = 0;
        bytes = 0;
    }

    /// Adds memory at the end.
    ///
    /// @param address a host address; the class comment says who keeps it mapped
    /// @param length bytes, more than 0
    /// @throws IndexOutOfBoundsException if the array is full
    public void add(long address, long length) {
        if (length <= 0) {
            throw new IllegalArgumentException(length + " bytes");
        }
        bytes += length;
        if (count > 0 && lastEnd == address) {
            lastLength += length;
            array.set(ValueLayout.JAVA_LONG, (first + count - 1) * ELEMENT + LENGTH, lastLength);
        } else {
            if (first + count == capacity) {
                throw new IndexOutOfBoundsException("no room for element " + capacity);
            }
            set(first + count, address, length);
            count++;
            lastLength = length;
        }
        lastEnd = address + length;
    }

    /// Adds a part of another array's memory at the end.
    ///
    /// @param from where it begins in the other's memory, bytes
    /// @param length bytes, 0 to those that the other has from there
    public void addPart(IoVectors other, long from, long length) {
        other.check(from, length);
        long end = from + length;
        long position = 0;
        for (int i = other.first; position < end; i++) {
            long begin = Math.max(from, position);
            long stop = Math.min(end, position + other.rawLength(i));
            if (begin < stop) {
                add(other.rawAddress(i) + begin - position, stop - begin);
            }
            position += other.rawLength(i);
        }
    }

    /// The number of elements that can be added.
    public int room() {
        return capacity - first - count;
    }

    /// Copies from a segment into the memory of the elements.
    ///
    /// @param at where it begins in that memory, bytes
    public void copyIn(long at, MemorySegment source, long offset, long length) {
        move(HostMemory::copyTo, at, source, offset, length);
    }

    /// Copies from the memory of the elements into a segment.
    ///
    /// @param at where it begins in that memory, bytes
    public void copyOut(long at, MemorySegment target, long offset, long length) {
        move(HostMemory::copyFrom, at, target, offset, length);
    }

    /// Writes zeros into the memory of the elements.
    ///
    /// @param at where they begin in that memory, bytes
    public void zero(long at, long length) {
        move((address, _, _, part) -> HostMemory.zero(address, part), at, array, 0, length);
    }

    /// Moves bytes between a host address and a segment.
    private interface Move {
        void part(long address, MemorySegment segment, long offset, long length);
    }

    private void move(Move move, long at, MemorySegment segment, long offset, long length) {
        check(at, length);
        long done = 0;
        long position = 0;
        for (int i = first; done < length; i++) {
            long begin = at + done - position;
            long size = rawLength(i);
            if (begin < size) {
                long part = Math.min(length - done, size - begin);
                move.part(rawAddress(i) + begin, segment, offset + done, part);
                done += part;
            }
            position += size;
        }
    }

    private void check(long at, long length) {
        if (at < 0 || length < 0 || length > bytes || at > bytes - length) {
            throw new IndexOutOfBoundsException(length + " bytes at " + at + " of " + bytes);
        }
    }

    /// The number of elements, after merging.
    public int count() {
        return count;
    }

    /// The sum of all lengths.
    public long bytes() {
        return bytes;
    }

    /// The address of an element, 0 to [#count] - 1.
    public long address(int index) {
        return rawAddress(checked(index));
    }

    /// The length of an element, bytes.
    public long length(int index) {
        return rawLength(checked(index));
    }

    /// The address of the array itself, as the C calls take it.
    public long arrayAddress() {
        return array.address() + first * ELEMENT;
    }

    /// Removes bytes from the front, after a transfer of only some of them.
    ///
    /// @param transferred 0 to [#bytes]
    public void skip(long transferred) {
        if (transferred < 0 || transferred > bytes) {
            throw new IllegalArgumentException(transferred + " of " + bytes + " bytes");
        }
        if (transferred == bytes) {
            // Mostly all of them: the elements need not be looked at.
            first += count;
            count = 0;
            bytes = 0;
            return;
        }
        bytes -= transferred;
        long left = transferred;
        while (left > 0) {
            long length = rawLength(first);
            if (left < length) {
                set(first, rawAddress(first) + left, length - left);
                if (count == 1) {
                    lastLength = length - left;
                }
                return;
            }
            left -= length;
            first++;
            count--;
        }
    }

    /// Whether every address and length is a multiple of `unit`, as direct I/O needs.
    ///
    /// @param unit a power of two
    public boolean isAligned(int unit) {
        long all = 0;
        for (int i = first; i < first + count; i++) {
            all |= rawAddress(i) | rawLength(i);
        }
        return (all & (unit - 1)) == 0;
    }

    private int checked(int index) {
        if (index < 0 || index >= count) {
            throw new IndexOutOfBoundsException(index);
        }
        return first + index;
    }

    private long rawAddress(int element) {
        return array.get(ValueLayout.JAVA_LONG, element * ELEMENT);
    }

    private long rawLength(int element) {
        return array.get(ValueLayout.JAVA_LONG, element * ELEMENT + LENGTH);
    }

    private void set(int element, long address, long length) {
        array.set(ValueLayout.JAVA_LONG, element * ELEMENT, address);
        array.set(ValueLayout.JAVA_LONG, element * ELEMENT + LENGTH, length);
    }
}
