package io.xenemu.core.backend.p9;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.common.primitives.Bytes;
import io.xenemu.core.backend.BackendsState;
import io.xenemu.core.backend.DeviceState;
import io.xenemu.core.toolstack.P9Quota;
import io.xenemu.core.toolstack.P9SecurityModel;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// The saved state of a share is read as it was written.
final class P9StateCodecPropertyTest {
    /// Every part of a state, in the golden file of version 1.
    private static final P9State STATE =
            new P9State(
                    new P9Spec(
                            OptionalInt.of(3),
                            "data",
                            "/srv/a b",
                            true,
                            P9SecurityModel.MAPPED,
                            OptionalInt.of(99),
                            new P9Quota(7, 8, true),
                            "0"),
                    new P9State.Connection(
                            65_536,
                            8192,
                            List.of(
                                    new P9State.Ring(
                                            10,
                                            List.of(11, 12),
                                            4,
                                            new P9State.Queue(-5, 6, false)),
                                    new P9State.Ring(
                                            20,
                                            List.of(21, 22, 23, 24),
                                            5,
                                            new P9State.Queue(7, 8, true))),
                            List.of(new P9State.Flush(1, 9, 0xffff, List.of(1, -2))),
                            List.of(
                                    fid(0, true, "", new P9State.Use.Place()),
                                    fid(1, false, "d/f", new P9State.Use.Open(2)),
                                    new P9State.Fid(
                                            2,
                                            false,
                                            1000,
                                            P9State.File.NONE,
                                            new P9State.Use.Value(bytes("value"))),
                                    fid(
                                            -1,
                                            false,
                                            "d",
                                            new P9State.Use.Setting(
                                                    bytes("user.x"),
                                                    1,
                                                    9,
                                                    bytes("part"),
                                                    new P9State.Use.Open(0))))));

    /// A mounted share on the way to another process, in the golden file of version 2.
    private static final P9State HANDED =
            new P9State(
                    STATE.spec(),
                    new P9State.Connection(
                            65_536,
                            8192,
                            List.of(
                                    new P9State.Ring(
                                            10,
                                            List.of(11, 12),
                                            4,
                                            new P9State.Queue(-5, 6, false))),
                            List.of(),
                            List.of(
                                    handed(0, true, new P9State.Use.Handed(0)),
                                    handed(1, false, new P9State.Use.Handed(2)),
                                    handed(2, false, new P9State.Use.Place()),
                                    handed(3, false, new P9State.Use.Value(bytes("value"))),
                                    handed(
                                            -1,
                                            false,
                                            new P9State.Use.Setting(
                                                    bytes("user.x"),
                                                    1,
                                                    9,
                                                    bytes("part"),
                                                    new P9State.Use.Handed(1)))),
                            new P9State.Files(
                                    new P9State.FileSystems(
                                            true,
                                            List.of(
                                                    new P9State.FileSystem(0, -7),
                                                    new P9State.FileSystem(255, 8))),
                                    List.of(
                                            new P9State.Handed.Place(),
                                            new P9State.Handed.Parked(
                                                    bytes("d/f"), 0100644, 8, 77, -3, 999),
                                            new P9State.Handed.Open(
                                                    P9State.Handed.Locks.OWN, 2, 1L << 40),
                                            new P9State.Handed.Open(
                                                    P9State.Handed.Locks.FILE, 0, 0),
                                            new P9State.Handed.Open(
                                                    P9State.Handed.Locks.NONE, 1, -1)))));

    private static P9State.Fid handed(int fid, boolean isRoot, P9State.Use use) {
        return new P9State.Fid(fid, isRoot, 1000, P9State.File.NONE, use);
    }

    private static List<Byte> bytes(String text) {
        return Bytes.asList(text.getBytes(StandardCharsets.US_ASCII));
    }

    private static P9State.Fid fid(int fid, boolean isRoot, String path, P9State.Use use) {
        return new P9State.Fid(
                fid, isRoot, -1, new P9State.File(bytes(path), 77, -3, 999, 1L << 56 | 77), use);
    }

    private static P9State decode(byte[] body) throws WireException {
        return P9StateCodec.decode(P9StateCodec.VERSION, new BodyReader(body));
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void savedSharesOfVersion1AreRead() throws Exception {
        byte[] golden = GoldenFile.bytes(P9StateCodecPropertyTest.class, "p9-share-v1.hex");
        assertEquals(STATE, P9StateCodec.decode(1, new BodyReader(golden)));
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden), hex.formatHex(P9StateCodec.encode(STATE).toBytes()));
    }

    /// Only the next process of a host reads it, but that may be of any later version.
    @Test
    void handedSharesOfVersion2AreRead() throws Exception {
        byte[] golden = GoldenFile.bytes(P9StateCodecPropertyTest.class, "p9-share-v2.hex");
        assertEquals(HANDED, P9StateCodec.decode(2, new BodyReader(golden)));
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden), hex.formatHex(P9StateCodec.encode(HANDED).toBytes()));
        assertEquals(5, Objects.requireNonNull(HANDED.files()).descriptors());
        assertEquals(2, P9StateCodec.version(HANDED));
        assertEquals(1, P9StateCodec.version(STATE));
    }

    /// A version without files has none to name.
    @Test
    void aFileOfAnotherProcessIsRefusedInASavedShare() {
        P9State.Connection connection = Objects.requireNonNull(HANDED.connection());
        P9State without =
                new P9State(
                        HANDED.spec(),
                        new P9State.Connection(
                                connection.most(),
                                connection.msize(),
                                connection.rings(),
                                List.of(),
                                connection.fids()));
        byte[] body = P9StateCodec.encode(without).toBytes();
        assertThrows(WireException.class, () -> decode(body));
    }

    /// Such a frame was written when no other kind of device could be saved.
    @Test
    void aSavedGuestWithOnlyAShareIsRead() throws Exception {
        byte[] golden = GoldenFile.bytes(P9StateCodecPropertyTest.class, "p9-share-v1.hex");
        byte[] frame =
                new BodyWriter()
                        .u32(1)
                        .string("9pfs")
                        .u32(3)
                        .string("4")
                        .bool(true)
                        .u32(2)
                        .u16(1)
                        .bytes(golden)
                        .toBytes();
        DeviceState share = BackendsState.decode(1, new BodyReader(frame)).devices().getFirst();
        BodyReader body = new BodyReader(Bytes.toArray(share.body()));
        assertEquals(STATE, P9StateCodec.decode(share.version(), body));
    }

    @Provide
    Arbitrary<P9State> states() {
        Arbitrary<List<Byte>> texts = Arbitraries.bytes().list().ofMaxSize(8);
        Arbitrary<P9State.Use> simple =
                Arbitraries.integers()
                        .map(flags ->
                                flags % 2 == 0
                                        ? new P9State.Use.Place()
                                        : new P9State.Use.Open(flags));
        Arbitrary<P9State.Use> uses =
                Arbitraries.oneOf(
                        simple,
                        texts.map(P9State.Use.Value::new),
                        Combinators.combine(texts, Arbitraries.integers(), texts, simple)
                                .as((name, flags, written, of) ->
                                        new P9State.Use.Setting(
                                                name, flags, written.size() + 1, written, of)));
        Arbitrary<P9State.Fid> fids =
                Combinators.combine(
                                Arbitraries.integers(),
                                Arbitraries.of(true, false),
                                texts,
                                Arbitraries.longs(),
                                uses)
                        .as((fid, flag, path, number, use) ->
                                new P9State.Fid(
                                        fid,
                                        flag,
                                        ~fid,
                                        flag
                                                ? P9State.File.NONE
                                                : new P9State.File(
                                                        path, number, ~number, fid, number),
                                        use));
        Arbitrary<P9State.Ring> rings =
                Combinators.combine(
                                Arbitraries.integers(),
                                Arbitraries.integers().between(P9Queue.ORDER_MIN, 5),
                                Arbitraries.of(true, false))
                        .as((number, order, broken) ->
                                new P9State.Ring(
                                        number,
                                        Collections.nCopies(1 << order, ~number),
                                        number,
                                        new P9State.Queue(number, ~number, broken)));
        return Combinators.combine(
                        rings.list().ofMinSize(1).ofMaxSize(P9Share.RINGS_MAX),
                        Arbitraries.integers().between(0, 0xffff),
                        fids.list().ofMaxSize(10),
                        Arbitraries.of(P9SecurityModel.values()),
                        Arbitraries.of(true, false))
                .as(P9StateCodecPropertyTest::state);
    }

    private static P9State state(
            List<P9State.Ring> rings,
            int number,
            List<P9State.Fid> fids,
            P9SecurityModel model,
            boolean flag) {
        P9Spec spec =
                new P9Spec(
                        OptionalInt.of(number),
                        "t" + number,
                        "/" + number,
                        flag,
                        model,
                        flag ? OptionalInt.empty() : OptionalInt.of(number + 1),
                        new P9Quota(number, number, flag),
                        "0");
        List<P9State.Flush> flushes =
                List.of(
                        new P9State.Flush(
                                rings.size() - 1,
                                number,
                                number,
                                Collections.nCopies(rings.size(), number)));
        return new P9State(
                spec,
                flag
                        ? null
                        : new P9State.Connection(
                                P9Server.MSIZE_MAX,
                                number < P9Server.MSIZE_MIN ? 0 : number,
                                rings,
                                flushes,
                                fids));
    }

    @Property(tries = 300)
    void aStateIsReadAsItWasWritten(@ForAll("states") P9State state) throws WireException {
        assertEquals(state, decode(P9StateCodec.encode(state).toBytes()));
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
                () -> P9StateCodec.decode(P9StateCodec.WITH_FILES + 1, new BodyReader(bytes)));
        try {
            P9StateCodec.decode(P9StateCodec.WITH_FILES, new BodyReader(bytes));
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
        }
    }

    /// A byte that is another one gives another state, or none; a state that is cut off is none.
    @Test
    void aDamagedStateIsAStateOrRefused() {
        assertDamageIsSeen(STATE);
        assertDamageIsSeen(HANDED);
    }

    private static void assertDamageIsSeen(P9State state) {
        int version = P9StateCodec.version(state);
        byte[] whole = P9StateCodec.encode(state).toBytes();
        for (int at = 0; at < whole.length; at++) {
            byte[] cut = Arrays.copyOf(whole, at);
            assertThrows(
                    WireException.class, () -> P9StateCodec.decode(version, new BodyReader(cut)));
            byte[] damaged = whole.clone();
            damaged[at] ^= 0x41;
            try {
                P9StateCodec.decode(version, new BodyReader(damaged));
            } catch (WireException e) {
                assertEquals(1, String.valueOf(e.getMessage()).lines().count());
            }
        }
    }
}
