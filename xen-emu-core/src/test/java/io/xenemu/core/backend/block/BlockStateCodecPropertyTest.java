package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.backend.RecordFields;
import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.toolstack.DiskAio;
import io.xenemu.core.toolstack.DiskRates;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// The saved state of a disk is read as it was written.
final class BlockStateCodecPropertyTest {
    /// Every part of a state, in the golden file of version 1.
    static final BlockState STATE =
            new BlockState(
                    new DiskSpec(
                            "/srv/a b.img",
                            "raw",
                            "xvdb",
                            51_728,
                            true,
                            "0",
                            "block",
                            true,
                            false,
                            true,
                            false,
                            new DiskServing(
                                    new DiskRates(500, 10 << 20),
                                    4096,
                                    DiskAio.IO_URING,
                                    "/etc/keys/a")),
                    1L << 40,
                    512,
                    new BlockState.Connection(
                            BlockAbi.X86_32,
                            List.of(
                                    new BlockState.Queue(
                                            List.of(10, 11, 12, 13),
                                            4,
                                            new RingState(-5, -7, false),
                                            List.of(
                                                    new BlockState.Request(
                                                            -9,
                                                            1,
                                                            8,
                                                            0,
                                                            List.of(
                                                                    new BlockState.Segment(
                                                                            400, 0, 7),
                                                                    new BlockState.Segment(
                                                                            401, 2, 3))),
                                                    new BlockState.Request(
                                                            10, 5, 16, 99, List.of()))),
                                    new BlockState.Queue(
                                            List.of(-1),
                                            5,
                                            new RingState(7, 7, true),
                                            List.of()))));

    private static BlockState decode(byte[] bytes) throws WireException {
        return BlockStateCodec.decode(BlockStateCodec.VERSION, new BodyReader(bytes));
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void aSavedDiskOfVersion1IsRead() throws Exception {
        byte[] golden = GoldenFile.bytes(BlockStateCodecPropertyTest.class, "disk-v1.hex");
        assertEquals(STATE, BlockStateCodec.decode(1, new BodyReader(golden)));
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden), hex.formatHex(BlockStateCodec.encode(STATE).toBytes()));
    }

    @Test
    void everyFieldIsCarried() throws Exception {
        RecordFields.assertEachIsWritten(STATE, BlockStateCodec::encode);
    }

    @Provide
    Arbitrary<BlockState> states() {
        Arbitrary<BlockState.Segment> segments =
                Combinators.combine(
                                Arbitraries.integers(),
                                Arbitraries.integers().between(0, 7),
                                Arbitraries.integers().between(0, 7))
                        .as((ref, a, b) ->
                                new BlockState.Segment(ref, Math.min(a, b), Math.max(a, b)));
        Arbitrary<BlockState.Request> requests =
                Combinators.combine(
                                Arbitraries.longs(),
                                Arbitraries.of(0, 1, 2, 3, 5),
                                segments.list().ofMaxSize(12))
                        .as((number, operation, parts) ->
                                new BlockState.Request(
                                        number,
                                        operation,
                                        ~number,
                                        operation == 5 ? number : 0,
                                        operation == 5 ? List.of() : parts));
        Arbitrary<BlockState.Queue> queues =
                Combinators.combine(
                                Arbitraries.integers(),
                                Arbitraries.integers().between(0, BlockBackend.MAX_RING_ORDER),
                                requests.list().ofMaxSize(4),
                                Arbitraries.of(true, false))
                        .as((number, order, some, flag) ->
                                new BlockState.Queue(
                                        Collections.nCopies(1 << order, number),
                                        ~number,
                                        new RingState(number + some.size(), number, flag),
                                        some));
        return Combinators.combine(
                        queues.list().ofMinSize(1).ofMaxSize(BlockBackend.MAX_QUEUES),
                        Arbitraries.integers().between(0, 0xffff),
                        Arbitraries.of(DiskAio.values()),
                        Arbitraries.of(BlockAbi.values()),
                        Arbitraries.of(true, false))
                .as(BlockStateCodecPropertyTest::state);
    }

    private static BlockState state(
            List<BlockState.Queue> queues, int number, DiskAio aio, BlockAbi abi, boolean flag) {
        return new BlockState(
                new DiskSpec(
                        "/" + number,
                        flag ? "raw" : "qcow2",
                        "xvd" + number,
                        number,
                        flag,
                        "0",
                        "block",
                        !flag,
                        flag,
                        !flag,
                        flag,
                        new DiskServing(
                                new DiskRates(number, flag ? 0 : number),
                                flag ? 4096 : 0,
                                aio,
                                flag ? "" : "/k")),
                number * 512L,
                flag ? 512 : 2048,
                flag ? null : new BlockState.Connection(abi, queues));
    }

    @Property(tries = 300)
    void aStateIsReadAsItWasWritten(@ForAll("states") BlockState state) throws WireException {
        assertEquals(state, decode(BlockStateCodec.encode(state).toBytes()));
    }

    @Property(tries = 300)
    void arbitraryBytesAreAStateOrRefused(@ForAll byte[] bytes) {
        try {
            decode(bytes);
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
        }
        assertThrows(
                WireException.class,
                () -> BlockStateCodec.decode(BlockStateCodec.VERSION + 1, new BodyReader(bytes)));
    }

    /// A byte that is another one gives another state, or none; a state that is cut off is none.
    @Test
    void aDamagedStateIsAnotherStateOrRefused() {
        RecordFields.assertDamageShows(
                STATE,
                BlockStateCodec.encode(STATE).toBytes(),
                BlockStateCodecPropertyTest::decode);
    }
}
