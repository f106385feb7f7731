package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// The loadable segments of an ELF image, which are loaded at their physical addresses in the order of the headers.
/// They may overlap, as in libelf of Xen's domain builder: the bytes or zeros of a later one replace those of an
/// earlier one.
final class ElfSegments {
    /// The most bytes that may be written, as a multiple of the image's memory (libelf's limit). So no headers can make
    /// the copy take long.
    private static final int MAX_COPIES = 2;

    private static final MemorySegment ZEROS =
            MemorySegment.ofArray(new byte[BootMemory.PIECE]).asReadOnly();

    /// @param memsz bytes in memory; those that the file lacks are zeros
    private record Segment(long paddr, long memsz, BootContent content) {
        long end() {
            return paddr + memsz;
        }
    }

    private record Range(long start, long end) {}

    private final ImageReader file;
    private final List<Segment> segments = new ArrayList<>();

    ElfSegments(ImageReader file) {
        this.file = file;
    }

    /// Adds the next segment; all values are the header's 64 bits.
    void add(long paddr, long memsz, long offset, long filesz) throws BootException {
        // A segment without bytes in the file may have any offset.
        boolean empty = filesz == 0;
        if (!(empty || file.has(offset, filesz)) || memsz < filesz) {
            throw file.bad("segment outside the file");
        }
        if (paddr < 0
                || paddr >= GuestMemoryMap.HIGH_RAM_START
                || memsz > GuestMemoryMap.HIGH_RAM_START - paddr) {
            throw file.bad("segment above 4 GiB");
        }
        segments.add(new Segment(paddr, memsz, file.part(empty ? 0 : offset, filesz)));
    }

    /// Checks all segments together.
    void check(long entry) throws BootException {
        long start = segments.stream().mapToLong(Segment::paddr).min().orElse(0);
        long end = segments.stream().mapToLong(Segment::end).max().orElse(0);
        if (entry < start || entry >= end) {
            throw file.bad("its PVH entry point lies in no segment");
        }
        long total = segments.stream().mapToLong(Segment::memsz).sum();
        if (total > MAX_COPIES * Placement.pageUp(end - start)) {
            throw file.bad("its segments overlap too often");
        }
    }

    /// Reserves the segments' memory, and writes them.
    ///
    /// @throws BootException if the guest does not have that memory
    void load(Placement placement, BootMemory memory) throws BootException {
        for (Range range : occupied()) {
            long size = range.end - range.start;
            if (!placement.take(range.start, size)) {
                throw new BootException(
                        "%s: needs %d KiB of memory at 0x%x, which is not free in this guest"
                                .formatted(file.name(), (size >> 10) + 1, range.start));
            }
        }
        // The memory is new, so only memory that has been written needs to be zeroed.
        long writtenStart = Long.MAX_VALUE;
        long writtenEnd = 0;
        for (Segment segment : segments) {
            memory.write(segment.paddr, segment.content);
            long zeros = segment.paddr + segment.content.size();
            zero(memory, Math.max(zeros, writtenStart), Math.min(segment.end(), writtenEnd));
            if (segment.content.size() > 0) {
                writtenStart = Math.min(writtenStart, segment.paddr);
                writtenEnd = Math.max(writtenEnd, zeros);
            }
        }
    }

    private static void zero(BootMemory memory, long start, long end) {
        for (long at = start; at < end; at += ZEROS.byteSize()) {
            memory.write(at, ZEROS.asSlice(0, Math.min(ZEROS.byteSize(), end - at)));
        }
    }

    /// The memory of all segments, in ranges that do not touch.
    private List<Range> occupied() {
        List<Range> ranges = new ArrayList<>();
        List<Segment> sorted =
                segments.stream()
                        .filter(segment -> segment.memsz > 0)
                        .sorted(Comparator.comparingLong(Segment::paddr))
                        .toList();
        for (Segment segment : sorted) {
            Range last = ranges.isEmpty() ? null : ranges.getLast();
            if (last != null && segment.paddr <= last.end) {
                ranges.set(
                        ranges.size() - 1,
                        new Range(last.start, Math.max(last.end, segment.end())));
            } else {
                ranges.add(new Range(segment.paddr, segment.end()));
            }
        }
        return ranges;
    }
}
