package io.xenemu.xenstore.stream;

import io.xenemu.kvm.wire.WireException;
import io.xenemu.kvm.wire.WireLimits;
import io.xenemu.xenstore.tree.Permissions;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// Writes the header and records. The length of a record includes its padding, as in C xenstored, which finds the
/// next record by it. The document leaves that open; a reader that rounds up finds the same.
final class RecordWriter {
    private static final int MAX_U16 = 0xffff;
    private static final int ALIGNMENT = 8;

    private final OutputStream out;
    private final int version;
    private final ByteOrder order;

    /// Writes the header.
    RecordWriter(OutputStream out, int version, ByteOrder order) throws IOException {
        this.out = out;
        this.version = version;
        this.order = order;
        // The header is big-endian, whatever the rest is.
        out.write(
                ByteBuffer.allocate(RecordReader.HEADER_BYTES)
                        .putLong(RecordReader.IDENT)
                        .putInt(version)
                        .putInt(order == ByteOrder.BIG_ENDIAN ? RecordReader.FLAG_BIG_ENDIAN : 0)
                        .array());
    }

    /// @throws WireException if this version of the stream cannot express it
    void write(StreamRecord written) throws IOException {
        switch (written) {
            case StreamRecord.Global(int listener, int events) ->
                    record(StreamRecord.TYPE_GLOBAL, body(8).putInt(listener).putInt(events));
            case StreamRecord.Connection connection -> connection(connection);
            case StreamRecord.Watch watch -> watch(watch);
            case StreamRecord.Transaction(int connection, int id) ->
                    record(StreamRecord.TYPE_TRANSACTION, body(8).putInt(connection).putInt(id));
            case StreamRecord.Node node -> node(node);
            case StreamRecord.GlobalQuota(
                            List<StreamRecord.Quota> domain,
                            List<StreamRecord.Quota> global) -> {
                ByteBuffer body = body(4 + quotaBytes(domain) + quotaBytes(global));
                u16(body, domain.size(), "quotas").putShort(u16(global.size(), "quotas"));
                domain.forEach(quota -> body.putInt(quota.value()));
                global.forEach(quota -> body.putInt(quota.value()));
                names(body, domain);
                names(body, global);
                record(StreamRecord.TYPE_GLOBAL_QUOTA, body);
            }
            case StreamRecord.Domain(int id, int features, List<StreamRecord.Quota> quotas) -> {
                ByteBuffer body = body(8 + quotaBytes(quotas));
                u16(body, id, "domain").putShort(u16(quotas.size(), "quotas"));
                body.putInt(version == 1 ? 0 : features);
                quotas.forEach(quota -> body.putInt(quota.value()));
                names(body, quotas);
                record(StreamRecord.TYPE_DOMAIN, body);
            }
        }
    }

    /// Ends the stream and flushes it.
    void end() throws IOException {
        record(StreamRecord.TYPE_END, body(0));
        out.flush();
    }

    private void connection(StreamRecord.Connection connection) throws IOException {
        if (connection.output().length > WireLimits.MAX_BODY_BYTES) {
            throw new WireException("a connection has too much output for a xenstore stream");
        }
        ByteBuffer body = body(24 + connection.input().length + connection.output().length);
        body.putInt(connection.id());
        switch (connection.transport()) {
            case StreamRecord.RingTransport(int domain, int target, int port) ->
                    u16(body, StreamRecord.RingTransport.CODE, "transport")
                            .putShort((short) 0)
                            .putShort(u16(domain, "domain"))
                            .putShort(u16(target, "domain"))
                            .putInt(port);
            case StreamRecord.SocketTransport(int descriptor) ->
                    u16(body, StreamRecord.SocketTransport.CODE, "transport")
                            .putShort((short) 0)
                            .putInt(descriptor)
                            .putInt(0);
        }
        u16(body, connection.input().length, "input of a connection");
        u16(body, connection.partial(), "rest of a message");
        body.putInt(connection.output().length);
        body.put(connection.input()).put(connection.output());
        record(StreamRecord.TYPE_CONNECTION, body);
    }

    private void watch(StreamRecord.Watch watch) throws IOException {
        boolean extended = watch.depth() != StreamRecord.Watch.UNLIMITED;
        if (extended && version == 1) {
            throw new WireException("a watch has a depth: needs version 2 of the xenstore stream");
        }
        ByteBuffer body = body(14 + watch.path().length + watch.token().length);
        body.putInt(watch.connection());
        u16(body, watch.path().length + 1, "path");
        u16(body, watch.token().length + 1, "token");
        if (extended) {
            u16(body, watch.depth(), "depth").putShort((short) 0);
        }
        body.put(watch.path()).put((byte) 0).put(watch.token()).put((byte) 0);
        record(extended ? StreamRecord.TYPE_WATCH_EXTENDED : StreamRecord.TYPE_WATCH, body);
    }

    private void node(StreamRecord.Node node) throws IOException {
        List<Permissions.Entry> entries =
                node.permissions() == null ? List.of() : node.permissions().entries();
        ByteBuffer body = body(17 + 4 * entries.size() + node.path().length + node.value().length);
        body.putInt(node.connection()).putInt(node.transaction());
        u16(body, node.path().length + 1, "path");
        u16(body, node.value().length, "value");
        u16(body, node.access(), "access");
        u16(body, entries.size(), "permissions");
        for (Permissions.Entry entry : entries) {
            body.put((byte) entry.access().letter()).put((byte) 0);
            u16(body, entry.domain().value(), "domain");
        }
        body.put(node.path()).put((byte) 0).put(node.value());
        record(StreamRecord.TYPE_NODE, body);
    }

    private static int quotaBytes(List<StreamRecord.Quota> quotas) {
        return quotas.stream().mapToInt(quota -> quota.name().length() + 5).sum();
    }

    private static void names(ByteBuffer body, List<StreamRecord.Quota> quotas) {
        quotas.forEach(quota ->
                body.put(quota.name().getBytes(StandardCharsets.ISO_8859_1)).put((byte) 0));
    }

    private ByteBuffer body(int bytes) {
        return ByteBuffer.allocate(bytes + ALIGNMENT).order(order);
    }

    private static ByteBuffer u16(ByteBuffer body, int value, String what) throws WireException {
        return body.putShort(u16(value, what));
    }

    private static short u16(int value, String what) throws WireException {
        if (value < 0 || value > MAX_U16) {
            throw new WireException(what + ": " + value + " does not fit a xenstore stream");
        }
        return (short) value;
    }

    private void record(int type, ByteBuffer body) throws IOException {
        int padded = (body.position() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        out.write(ByteBuffer.allocate(8).order(order).putInt(type).putInt(padded).array());
        byte[] bytes = new byte[padded];
        body.get(0, bytes);
        out.write(bytes);
    }
}
