package io.xenemu.core.backend.block;

import io.xenemu.gnttab.BackendMappings;
import io.xenemu.gnttab.GrantPages;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/// Reads the requests of one ring, and checks what the guest has written. Belongs to the thread that takes them.
/// Nothing allocates but the constructor.
final class SlotReader {
    /// The most segments of an indirect request, which is offered to guests: 1 MiB, as Linux's back end offers. Linux
    /// uses 32 of them unless told otherwise.
    static final int MAX_INDIRECT_SEGMENTS = 256;

    private final BlockAbi abi;
    private final BlockDisk disk;
    private final BackendMappings grants;
    private final GrantPages indirectPage = new GrantPages(1);

    /// The private copy of an indirect request's segments.
    private final MemorySegment indirect;

    /// @param buffers gives the private copy of an indirect request's segments
    SlotReader(BlockAbi abi, BlockDisk disk, BackendMappings grants, SegmentAllocator buffers) {
        this.abi = abi;
        this.disk = disk;
        this.grants = grants;
        this.indirect =
                buffers.allocate(MAX_INDIRECT_SEGMENTS * BlockAbi.SEGMENT_BYTES, Long.BYTES);
    }

    /// The number of segments that a request claims to have, in a slot or indirect.
    int segments(MemorySegment slot) {
        return abi.operation(slot) == BlockOp.INDIRECT
                ? abi.indirectSegments(slot)
                : BlockAbi.MAX_SEGMENTS;
    }

    /// Reads a request from the private copy of its slot, and checks it.
    ///
    /// @param request has room for [#segments], or for [#MAX_INDIRECT_SEGMENTS] if those are fewer
    /// @return `OKAY` if it can be carried out; it can be answered in any case
    BlockStatus read(BlockRequest request, MemorySegment slot) {
        boolean isIndirect = abi.operation(slot) == BlockOp.INDIRECT;
        int number = isIndirect ? abi.secondByte(slot) : abi.operation(slot);
        request.begin(abi.id(slot), number, abi.sector(slot));
        if (isIndirect) {
            return checkIndirect(request, slot);
        }
        return switch (request.op()) {
            case READ, WRITE, WRITE_BARRIER, FLUSH_DISKCACHE -> checkDirect(request, slot);
            case DISCARD ->
                    request.checkDiscard(disk, abi.secondByte(slot), abi.discardedSectors(slot));
            case UNKNOWN -> BlockStatus.EOPNOTSUPP;
        };
    }

    private BlockStatus checkDirect(BlockRequest request, MemorySegment slot) {
        int count = abi.secondByte(slot);
        return count <= BlockAbi.MAX_SEGMENTS && request.addSegments(slot, abi.segments(), count)
                ? request.checkData(disk)
                : BlockStatus.ERROR;
    }

    private BlockStatus checkIndirect(BlockRequest request, MemorySegment slot) {
        int count = abi.indirectSegments(slot);
        if ((request.op() != BlockOp.READ && request.op() != BlockOp.WRITE)
                || count < 1
                || count > MAX_INDIRECT_SEGMENTS) {
            return BlockStatus.ERROR;
        }
        // 512 segments fit in a page, so the offered number never needs a second one.
        indirectPage.clear();
        indirectPage.add(abi.indirectRef(slot));
        if (grants.mapPages(indirectPage, DomId.DOM0, true) != GrantStatus.OKAY) {
            return BlockStatus.ERROR;
        }
        try {
            indirectPage.copyOut(0, indirect, count * BlockAbi.SEGMENT_BYTES);
        } finally {
            grants.unmapPages(indirectPage);
        }
        return request.addSegments(indirect, 0, count)
                ? request.checkData(disk)
                : BlockStatus.ERROR;
    }
}
