package io.xenemu.core.backend.block;

import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.toolstack.DiskAio;
import io.xenemu.core.toolstack.DiskRates;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// Writes and reads the saved state of a disk.
///
/// Version 1: target, format, vdev texts; number u32; writable; backend, script texts; discard; direct I/O safe;
/// trusted; CD-ROM; requests and bytes of a second u64, 0 for any; sector u32, 0 for any; aio u8: 0 auto, 1 sync, 2
/// io_uring; key file text. Then bytes u64; sector u32; connected. If it is connected: layout u8: 0 of 64-bit guests, 1
/// of 32-bit ones; queues. A queue has pages, port u32, ring ([RingState]), requests. A request has id u64; operation
/// u8; sector u64; discarded u64; segments: ref u32, first u8, last u8. Lists have a count u32 in front.
final class BlockStateCodec {
    /// The version that [#encode] writes.
    static final int VERSION = 1;

    /// A path of the host, and other texts.
    private static final int TEXT_MAX = 4096;

    /// More than any disk has.
    private static final int SECTOR_MAX = 1 << 16;

    private BlockStateCodec() {}

    /// The state's bytes.
    static BodyWriter encode(BlockState state) {
        BodyWriter body = new BodyWriter();
        spec(body, state.spec());
        body.u64(state.bytes()).u32(state.sectorBytes());
        BlockState.Connection connection = state.connection();
        body.bool(connection != null);
        if (connection != null) {
            body.u8(
                    switch (connection.abi()) {
                        case X86_64 -> 0;
                        case X86_32 -> 1;
                    });
            body.u32(connection.queues().size());
            connection.queues().forEach(queue -> queue(body, queue));
        }
        return body;
    }

    private static void spec(BodyWriter body, DiskSpec spec) {
        DiskServing serving = spec.serving();
        body.string(spec.target())
                .string(spec.format())
                .string(spec.vdev())
                .u32(spec.number())
                .bool(spec.writable())
                .string(spec.backend())
                .string(spec.script())
                .bool(spec.discard())
                .bool(spec.directIoSafe())
                .bool(spec.trusted())
                .bool(spec.cdrom())
                .u64(serving.rates().requests())
                .u64(serving.rates().bytes())
                .u32(serving.sectorBytes())
                .u8(
                        switch (serving.aio()) {
                            case AUTO -> 0;
                            case SYNC -> 1;
                            case IO_URING -> 2;
                        })
                .string(serving.keyFile());
    }

    private static void queue(BodyWriter body, BlockState.Queue queue) {
        body.u32(queue.pages().size());
        queue.pages().forEach(body::u32);
        body.u32(queue.port());
        queue.ring().encode(body);
        body.u32(queue.requests().size());
        queue.requests().forEach(request -> request(body, request));
    }

    private static void request(BodyWriter body, BlockState.Request request) {
        body.u64(request.id())
                .u8(request.operation())
                .u64(request.sector())
                .u64(request.discarded())
                .u32(request.segments().size());
        for (BlockState.Segment segment : request.segments()) {
            body.u32(segment.ref()).u8(segment.first()).u8(segment.last());
        }
    }

    /// Reads the state.
    ///
    /// @throws WireException if the version is unknown, or a value is out of range
    static BlockState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("disk", version);
        }
        DiskSpec spec = spec(body);
        long bytes = positive(body.u64(), "a size");
        int sector = body.count(SECTOR_MAX);
        boolean isPower = Integer.bitCount(sector) == 1;
        if (!isPower || sector < DiskStore.SECTOR || bytes % DiskStore.SECTOR != 0) {
            throw new WireException("a disk of %d bytes, sectors of %d".formatted(bytes, sector));
        }
        BlockState.Connection connection = body.bool() ? connection(body) : null;
        body.end();
        return new BlockState(spec, bytes, sector, connection);
    }

    private static DiskSpec spec(BodyReader body) throws WireException {
        return new DiskSpec(
                body.string(TEXT_MAX),
                body.string(TEXT_MAX),
                body.string(TEXT_MAX),
                body.count(Integer.MAX_VALUE),
                body.bool(),
                body.string(TEXT_MAX),
                body.string(TEXT_MAX),
                body.bool(),
                body.bool(),
                body.bool(),
                body.bool(),
                serving(body));
    }

    private static DiskServing serving(BodyReader body) throws WireException {
        long requests = positive(body.u64(), "a limit");
        long bytes = positive(body.u64(), "a limit");
        if (Math.max(requests, bytes) > DiskRates.MAX) {
            throw new WireException("no such limit of a disk");
        }
        int sector = sector(body.u32());
        DiskAio aio =
                switch (body.u8()) {
                    case 0 -> DiskAio.AUTO;
                    case 1 -> DiskAio.SYNC;
                    case 2 -> DiskAio.IO_URING;
                    default -> throw new WireException("no such way to move bytes");
                };
        return new DiskServing(new DiskRates(requests, bytes), sector, aio, body.string(TEXT_MAX));
    }

    private static long positive(long value, String what) throws WireException {
        if (value < 0) {
            throw new WireException(what + " below 0");
        }
        return value;
    }

    private static int sector(int bytes) throws WireException {
        if (bytes != DiskServing.ANY_SECTOR
                && bytes != DiskStore.SECTOR
                && bytes != DiskServing.LARGE_SECTOR) {
            throw new WireException("no disk has sectors of " + bytes + " bytes");
        }
        return bytes;
    }

    private static BlockState.Connection connection(BodyReader body) throws WireException {
        BlockAbi abi =
                switch (body.u8()) {
                    case 0 -> BlockAbi.X86_64;
                    case 1 -> BlockAbi.X86_32;
                    default -> throw new WireException("no such layout of slots");
                };
        List<BlockState.Queue> queues = new ArrayList<>();
        for (int left = body.count(BlockBackend.MAX_QUEUES); left > 0; left--) {
            queues.add(queue(body));
        }
        if (queues.isEmpty()) {
            throw new WireException("a connection without queues");
        }
        return new BlockState.Connection(abi, queues);
    }

    private static BlockState.Queue queue(BodyReader body) throws WireException {
        List<Integer> pages = new ArrayList<>();
        for (int left = body.count(1 << BlockBackend.MAX_RING_ORDER); left > 0; left--) {
            pages.add(body.u32());
        }
        if (Integer.bitCount(pages.size()) != 1) {
            throw new WireException("a ring of " + pages.size() + " pages");
        }
        int port = body.u32();
        RingState ring = RingState.decode(body);
        List<BlockState.Request> requests = new ArrayList<>();
        for (int left = body.count(RequestRing.MAX_IN_FLIGHT); left > 0; left--) {
            requests.add(request(body));
        }
        if (requests.size() != ring.unanswered()) {
            throw new WireException(
                    "%d requests where %s are not answered"
                            .formatted(
                                    requests.size(), Integer.toUnsignedString(ring.unanswered())));
        }
        return new BlockState.Queue(pages, port, ring, requests);
    }

    private static BlockState.Request request(BodyReader body) throws WireException {
        long id = body.u64();
        int operation = body.u8();
        long sector = body.u64();
        long discarded = body.u64();
        boolean isDiscard = BlockOp.of(operation) == BlockOp.DISCARD;
        List<BlockState.Segment> segments = new ArrayList<>();
        int most = isDiscard ? 0 : SlotReader.MAX_INDIRECT_SEGMENTS;
        for (int left = body.count(most); left > 0; left--) {
            segments.add(segment(body));
        }
        if (BlockOp.of(operation) == BlockOp.UNKNOWN || (!isDiscard && discarded != 0)) {
            throw new WireException("no such request was in flight");
        }
        return new BlockState.Request(id, operation, sector, discarded, segments);
    }

    private static BlockState.Segment segment(BodyReader body) throws WireException {
        int ref = body.u32();
        int first = body.u8();
        int last = body.u8();
        if (first > last || last > BlockRequest.LAST_SECTOR) {
            throw new WireException("sectors %d to %d of a page".formatted(first, last));
        }
        return new BlockState.Segment(ref, first, last);
    }
}
