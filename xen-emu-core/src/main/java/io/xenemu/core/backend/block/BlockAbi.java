package io.xenemu.core.backend.block;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.backend.ring.RingLayout;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// The two layouts of a block ring's slots (`public/io/blkif.h`), which differ in the alignment of 64-bit numbers. All
/// readers work on a private copy of a slot.
enum BlockAbi {
    X86_64("x86_64-abi", new RingLayout(112, 16), 8),
    X86_32("x86_32-abi", new RingLayout(108, 12), 4);

    /// The most segments in a slot (`BLKIF_MAX_SEGMENTS_PER_REQUEST`).
    static final int MAX_SEGMENTS = 11;

    /// Bytes of a segment: reference, first and last sector, padding.
    static final int SEGMENT_BYTES = 8;

    private static final long OPERATION = 0;

    /// `nr_segments`, or `flag` of a discard, or the inner operation of an indirect request.
    private static final long SECOND_BYTE = 1;

    private static final long INDIRECT_SEGMENTS = 2;
    private static final long ANSWER_OPERATION = 8;
    private static final long ANSWER_STATUS = 10;

    /// The first bits of the two bytes behind the reference.
    private static final int SEGMENT_FIRST = 32;

    private static final int SEGMENT_LAST = 40;

    private final String protocol;
    private final RingLayout layout;
    private final long id;
    private final long sector;

    /// The segments, or the number of sectors of a discard, or `handle` of an indirect request.
    private final long body;

    BlockAbi(String protocol, RingLayout layout, long id) {
        this.protocol = protocol;
        this.layout = layout;
        this.id = id;
        this.sector = id + Long.BYTES;
        this.body = sector + Long.BYTES;
    }

    /// The layout that a front end's node `protocol` names.
    ///
    /// @return empty if there is no such layout
    static Optional<BlockAbi> of(String protocol) {
        for (BlockAbi abi : values()) {
            if (abi.protocol.equals(protocol)) {
                return Optional.of(abi);
            }
        }
        return Optional.empty();
    }

    RingLayout layout() {
        return layout;
    }

    /// The operation's number, 0 to 255.
    int operation(MemorySegment request) {
        return Byte.toUnsignedInt(request.get(JAVA_BYTE, OPERATION));
    }

    /// The number of segments in the slot, 0 to 255; the operation inside an indirect request; the flag of a discard.
    int secondByte(MemorySegment request) {
        return Byte.toUnsignedInt(request.get(JAVA_BYTE, SECOND_BYTE));
    }

    /// The guest's own number of the request.
    long id(MemorySegment request) {
        return request.get(JAVA_LONG_UNALIGNED, id);
    }

    /// The first sector; unsigned.
    long sector(MemorySegment request) {
        return request.get(JAVA_LONG_UNALIGNED, sector);
    }

    /// The number of sectors to discard; unsigned.
    long discardedSectors(MemorySegment request) {
        return request.get(JAVA_LONG_UNALIGNED, body);
    }

    /// The offset of the segments in the slot.
    long segments() {
        return body;
    }

    /// The number of segments of an indirect request, 0 to 65535.
    int indirectSegments(MemorySegment request) {
        return Short.toUnsignedInt(request.get(JAVA_SHORT_UNALIGNED, INDIRECT_SEGMENTS));
    }

    /// The reference of the first page of an indirect request's segments.
    int indirectRef(MemorySegment request) {
        return request.get(JAVA_INT_UNALIGNED, body + Integer.BYTES);
    }

    /// A segment, for the methods below: all of it by one access, since a request has up to 256.
    static long segment(MemorySegment segments, long offset) {
        return segments.get(JAVA_LONG_UNALIGNED, offset);
    }

    /// The reference of a segment's page.
    static int segmentRef(long segment) {
        return (int) segment;
    }

    /// The first sector of a segment in its page, 0 to 255.
    static int segmentFirst(long segment) {
        return (int) (segment >>> SEGMENT_FIRST) & 0xff;
    }

    /// The last sector of a segment in its page, 0 to 255.
    static int segmentLast(long segment) {
        return (int) (segment >>> SEGMENT_LAST) & 0xff;
    }

    /// Fills a blank answer.
    static void answer(MemorySegment answer, long id, int operation, BlockStatus status) {
        answer.set(JAVA_LONG_UNALIGNED, 0, id);
        answer.set(JAVA_BYTE, ANSWER_OPERATION, (byte) operation);
        answer.set(JAVA_SHORT_UNALIGNED, ANSWER_STATUS, status.code());
    }
}
