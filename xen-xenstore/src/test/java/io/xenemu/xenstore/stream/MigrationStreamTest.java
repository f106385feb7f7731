package io.xenemu.xenstore.stream;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.io.Resources;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.DomainState;
import io.xenemu.xenstore.state.XenStoreState.TransactionState;
import io.xenemu.xenstore.state.XenStoreState.WatchState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MigrationStreamTest {
    private static final int NOTHING = 0;

    private static byte[] ascii(String text) {
        return SampleState.ascii(text);
    }

    /// A stream of these records and an end.
    private static byte[] stream(int version, ByteOrder order, StreamRecord... records)
            throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        RecordWriter writer = new RecordWriter(out, version, order);
        for (StreamRecord next : records) {
            writer.write(next);
        }
        writer.end();
        return out.toByteArray();
    }

    private static byte[] stream(StreamRecord... records) throws IOException {
        return stream(2, ByteOrder.LITTLE_ENDIAN, records);
    }

    private static void assertRefused(String reason, byte[] stream) {
        WireException refused =
                assertThrows(WireException.class, () -> MigrationStream.decode(stream));
        assertTrue(String.valueOf(refused.getMessage()).contains(reason), refused::getMessage);
    }

    private static StreamRecord.Connection ring(int id, int domain) {
        return new StreamRecord.Connection(
                id,
                new StreamRecord.RingTransport(domain, StreamRecord.RingTransport.NO_TARGET, 1),
                new byte[0],
                0,
                new byte[0]);
    }

    private static StreamRecord.Node node(String path, String value, String... permissions) {
        return new StreamRecord.Node(
                0, 0, NOTHING, Permissions.of(permissions), ascii(path), ascii(value));
    }

    private static StreamRecord.Node pending(
            int access, String path, String value, String... permissions) {
        return new StreamRecord.Node(
                1,
                5,
                access,
                permissions.length == 0 ? null : Permissions.of(permissions),
                ascii(path),
                ascii(value));
    }

    @Test
    void headerAndRecordsAreAsDocumented() throws IOException {
        byte[] expected =
                HexFormat.of()
                        .parseHex(
                                "78656e73746f72650000000200000000"
                                        + "0800000018000000"
                                        + "01000000"
                                        + "03000200"
                                        + "03000000"
                                        + "2f6100"
                                        + "7400"
                                        + "00000000000000"
                                        + "0000000000000000");
        byte[] written = stream(new StreamRecord.Watch(1, ascii("/a"), ascii("t"), 3));
        assertArrayEquals(expected, written);
    }

    @Test
    void everyFieldOfADecodedStreamIsEncodedAgain() throws IOException {
        XenStoreState read = MigrationStream.decode(SampleState.stream());
        assertArrayEquals(SampleState.stream(), MigrationStream.encode(read, 2));
        DomainState domain = read.domains().getFirst();
        assertEquals(new DomId(4), domain.target());
        assertEquals(7, domain.port());
        assertEquals(3, domain.features());
        assertEquals(2, domain.connection().watches().get(2).depth());
        assertTrue(domain.connection().watches().getFirst().relative());
        TransactionState transaction = domain.connection().transactions().getFirst();
        TransactionState original = SampleState.transaction();
        assertEquals(original.dependencies(), transaction.dependencies());
        assertEquals(
                original.changes().stream().map(Request.Change::type).toList(),
                transaction.changes().stream().map(Request.Change::type).toList());
        assertFalse(transaction.doomed());
        TransactionState doomed = domain.connection().transactions().get(1);
        assertTrue(doomed.doomed());
        assertEquals(Map.of(Path.ROOT, TransactionState.CHILDREN), doomed.dependencies());
        assertEquals(SampleState.state().descriptors(), read.descriptors());
        assertEquals(SampleState.state().quotas(), read.quotas());
        assertEquals(SampleState.state().special(), read.special());
        assertEquals(9, read.sockets().getFirst().descriptor());
        assertTrue(MigrationStream.hasTransactions(read));
    }

    @Test
    void bigEndianStreamsAreReadToo() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        XenStoreState state = SampleState.state();
        new StateWriter(state, 2, new RecordWriter(out, 2, ByteOrder.BIG_ENDIAN)).write();
        assertFalse(
                ByteBuffer.wrap(out.toByteArray()).equals(ByteBuffer.wrap(SampleState.stream())));
        assertArrayEquals(
                SampleState.stream(),
                MigrationStream.encode(MigrationStream.decode(out.toByteArray()), 2));
    }

    @Test
    void bytesBehindTheEndAreNotRead() throws IOException {
        byte[] stream = stream(node("/", "", "n0"));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(stream);
        out.write(42);
        ByteArrayInputStream in = new ByteArrayInputStream(out.toByteArray());
        assertEquals(1, MigrationStream.read(in).nodes().size());
        assertEquals(42, in.read());
    }

    @Test
    void aRecordWhoseLengthIsWithoutItsPaddingIsRead() throws IOException {
        byte[] stream = stream(node("/", "", "n0"));
        stream[20] = 22; // instead of 24: the path ends two bytes before
        assertEquals(1, MigrationStream.decode(stream).nodes().size());
    }

    @Test
    void versionOneHasNoWatchDepth() throws IOException {
        StreamRecord.Watch watch = new StreamRecord.Watch(1, ascii("/a"), ascii("t"), 1);
        assertThrows(WireException.class, () -> MigrationStream.encode(SampleState.state(), 1));
        byte[] stream = stream(ring(1, 3), watch);
        assertEquals(
                1,
                MigrationStream.decode(stream)
                        .domains()
                        .getFirst()
                        .connection()
                        .watches()
                        .getFirst()
                        .depth());
        stream[11] = 1;
        assertRefused("not in version 1", stream);
    }

    @Test
    void onlyVersionTwoHasRingFeatures() throws IOException {
        StreamRecord.Domain data =
                new StreamRecord.Domain(3, 5, List.of(new StreamRecord.Quota("nodes", 9)));
        byte[] old = stream(1, ByteOrder.LITTLE_ENDIAN, ring(1, 3), data);
        DomainState domain = MigrationStream.decode(old).domains().getFirst();
        assertEquals(DomainState.FEATURES_UNKNOWN, domain.features());
        assertEquals(9, domain.quotas().getFirst().value());
        assertArrayEquals(old, MigrationStream.encode(MigrationStream.decode(old), 1));
        assertThrows(
                WireException.class, () -> MigrationStream.encode(MigrationStream.decode(old), 2));
    }

    @Test
    void unknownOrContradictoryRecordsAreRefused() throws IOException {
        byte[] unknown = stream();
        unknown[16] = 9;
        assertRefused("unknown type", unknown);
        byte[] version = stream();
        version[11] = 3;
        assertRefused("version 3", version);
        byte[] flags = stream();
        flags[15] = 2;
        assertRefused("unknown flags", flags);
        byte[] ident = stream();
        ident[0] = 'X';
        assertRefused("not a xenstore stream", ident);
        StreamRecord.Watch watch = new StreamRecord.Watch(1, ascii("/a"), ascii("t"), 0xffff);
        assertRefused("no connection 1", stream(watch));
        assertRefused("no connection 1", stream(new StreamRecord.Transaction(1, 5)));
        assertRefused("a connection twice", stream(ring(1, 3), ring(1, 4)));
        assertRefused("two rings", stream(ring(1, 3), ring(2, 3)));
        assertRefused("connection 0", stream(ring(0, 3)));
        assertRefused("a ring of", stream(ring(1, 0x7ff0)));
        assertRefused("no such transaction", stream(ring(1, 3), pending(1, "/a", "")));
        assertRefused(
                "/a twice",
                stream(node("/", "", "n0"), node("/a", "", "n0"), node("/a", "", "n0")));
        assertRefused("before its parent", stream(node("/", "", "n0"), node("/a/b", "", "n0")));
        assertRefused("not the first", stream(node("/a", "", "n0"), node("/", "", "n0")));
        assertRefused("invalid path", stream(node("/a//b", "", "n0")));
        assertRefused("relative", stream(node("a", "", "n0")));
        assertRefused("with a value", stream(node("@releaseDomain", "x", "n0")));
        assertRefused("too long", stream(node("/a", "x".repeat(4097), "n0")));
    }

    private static TransactionState transaction(StreamRecord... records) throws IOException {
        StreamRecord[] all = new StreamRecord[records.length + 4];
        all[0] = ring(1, 0);
        all[1] = new StreamRecord.Transaction(1, 5);
        all[2] = node("/", "", "n0");
        all[3] = node("/a", "x", "n0");
        System.arraycopy(records, 0, all, 4, records.length);
        return MigrationStream.decode(stream(1, ByteOrder.LITTLE_ENDIAN, all))
                .domains()
                .getFirst()
                .connection()
                .transactions()
                .getFirst();
    }

    /// Streams with no more than the document has words for.
    @Test
    void plainTransactionFailsIfAnythingItTouchedChanges() throws IOException {
        int all = TransactionState.ALL & ~TransactionState.ABSENT;
        TransactionState read = transaction(pending(1, "/a", "x", "n0"), pending(1, "/b", ""));
        assertEquals(Map.of(Path.of("/a"), all, Path.of("/b"), 1), read.dependencies());
        assertFalse(read.doomed());
        TransactionState written = transaction(pending(3, "/a", "y", "n0", "r3"));
        assertEquals(Map.of(Path.of("/a"), all), written.dependencies());
        assertEquals(2, written.changes().size());
        assertEquals(Path.of("/a"), written.changes().getFirst().path());
        TransactionState created = transaction(pending(2, "/b", "", "n0"));
        assertEquals(Map.of(Path.of("/b"), TransactionState.ABSENT), created.dependencies());
        TransactionState deleted = transaction(pending(0, "/a", ""), pending(0, "/a/below", ""));
        assertEquals(1, deleted.changes().size());
        assertTrue(deleted.changes().getFirst() instanceof Request.Rm);
    }

    @Test
    void plainTransactionThatHasReadSomethingElseIsInConflict() throws IOException {
        assertTrue(transaction(pending(1, "/a", "other", "n0")).doomed());
        assertTrue(transaction(pending(1, "/a", "x", "b0")).doomed());
        assertTrue(transaction(pending(1, "/a", "")).doomed());
        assertTrue(transaction(pending(1, "/b", "x", "n0")).doomed());
    }

    /// Written by C xenstored 4.17 (Debian). Domain 3 has watches, half a request and more events than its ring takes;
    /// domain 4 has target 3. One tool is amid a request, and another one asked for the live update. A transaction was
    /// open, too: C xenstored gives those up.
    private static byte[] dumpOfC() throws IOException {
        URL file = Resources.getResource(MigrationStream.class, "c-xenstored-4.17.hex");
        String hex = Resources.toString(file, StandardCharsets.US_ASCII);
        return HexFormat.of().parseHex(hex.replaceAll("\\s", ""));
    }

    @Test
    void dumpOfCXenstoredIsReadAndWrittenTheSame() throws IOException {
        XenStoreState state = MigrationStream.decode(dumpOfC());
        assertEquals(new XenStoreState.Descriptors(3, 6), state.descriptors());
        assertEquals(
                List.of(new DomId(0), new DomId(3), new DomId(4)),
                state.domains().stream().map(DomainState::domain).toList());
        DomainState guest = state.domains().get(1);
        assertEquals(18, guest.connection().input().length);
        assertEquals(214, guest.connection().output().length);
        assertEquals(19, StateWriter.restOfMessage(guest.connection().output()));
        assertEquals(
                List.of("/local/domain/3/data", "/empty", "@releaseDomain"),
                guest.connection().watches().stream().map(w -> w.path().toString()).toList());
        assertEquals(
                List.of(true, false, false),
                guest.connection().watches().stream().map(WatchState::relative).toList());
        assertEquals(new DomId(3), state.domains().get(2).target());
        assertEquals(List.of(7, 8, 9), state.sockets().stream().map(s -> s.descriptor()).toList());
        assertEquals("n0 r3", state.special().getFirst().permissions().toString());
        assertFalse(MigrationStream.hasTransactions(state));
        assertArrayEquals(byRecords(dumpOfC()), byRecords(MigrationStream.encode(state, 1)));
        assertTrue(XenStoreCodec.encode(state).toBytes().length > 0);
    }

    /// Connections on sockets behind rings, which is our order.
    private static byte[][] byRecords(byte[] stream) {
        ByteBuffer left = ByteBuffer.wrap(stream, 16, stream.length - 16);
        List<byte[]> records = new ArrayList<>();
        while (left.hasRemaining()) {
            int length = left.order(ByteOrder.LITTLE_ENDIAN).getInt(left.position() + 4);
            byte[] next = new byte[8 + length];
            left.get(next);
            int type = next[0];
            if (type == StreamRecord.TYPE_CONNECTION || type == StreamRecord.TYPE_WATCH) {
                next[8] = 0; // the connection's number
            }
            records.add(next);
        }
        records.sort(Arrays::compare);
        return records.toArray(byte[][]::new);
    }
}
