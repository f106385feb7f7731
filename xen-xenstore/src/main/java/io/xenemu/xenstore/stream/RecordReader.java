package io.xenemu.xenstore.stream;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.kvm.wire.WireLimits;
import io.xenemu.xenstore.state.XenStoreState.QuotaState;
import io.xenemu.xenstore.tree.Access;
import io.xenemu.xenstore.tree.Permissions;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads the header and records, of both versions and byte orders. For any bytes, it returns records or throws
/// [WireException]; it allocates for a length only as bytes arrive.
final class RecordReader {
    static final long IDENT = 0x7865_6e73_746f_7265L; // "xenstore"
    static final int HEADER_BYTES = 16;
    static final int FLAG_BIG_ENDIAN = 1;

    /// Bytes of a record: the largest is a connection with much unread output.
    private static final int MAX_RECORD_BYTES = WireLimits.MAX_BODY_BYTES + (1 << 17);

    /// Bytes of a whole stream: several times a store of 100,000 full nodes' worth of guests' quota.
    private static final int MAX_STREAM_BYTES = 512 << 20;

    private static final int ALIGNMENT = 8;

    /// C xenstored 4.21 and later: the hypervisor's unique id of a ring's domain follows the data.
    private static final int FIELD_UNIQUE_ID = 1;

    /// C xenstored: the domain of this entry is gone, so the entry grants nothing any more.
    private static final int PERMISSION_STALE = 1;

    private final InputStream in;
    private final int version;
    private final ByteOrder order;
    private long read;

    /// Reads the header.
    RecordReader(InputStream in) throws IOException {
        this.in = in;
        ByteBuffer header = ByteBuffer.wrap(exactly(HEADER_BYTES));
        if (header.getLong() != IDENT) {
            throw new WireException("not a xenstore stream");
        }
        version = header.getInt();
        if (version < 1 || version > MigrationStream.VERSION) {
            throw WireException.unknownVersion("the xenstore stream's", version);
        }
        int flags = header.getInt();
        if ((flags & ~FLAG_BIG_ENDIAN) != 0) {
            throw new WireException("unknown flags of a xenstore stream: %#x".formatted(flags));
        }
        order = flags == 0 ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN;
    }

    int version() {
        return version;
    }

    /// The next record; null at the end. Reads nothing after the end.
    @Nullable StreamRecord next() throws IOException {
        ByteBuffer header = ByteBuffer.wrap(exactly(8)).order(order);
        int type = header.getInt();
        int length = header.getInt();
        if (Integer.compareUnsigned(length, MAX_RECORD_BYTES) > 0) {
            throw broken(type, Integer.toUnsignedString(length) + " bytes are too many");
        }
        byte[] bytes = exactly(length);
        exactly(Math.floorMod(-length, ALIGNMENT));
        Body body = new Body(type, ByteBuffer.wrap(bytes).order(order));
        StreamRecord found =
                switch (type) {
                    case StreamRecord.TYPE_END -> null;
                    case StreamRecord.TYPE_GLOBAL ->
                            new StreamRecord.Global(body.u32(), body.u32());
                    case StreamRecord.TYPE_CONNECTION -> connection(body);
                    case StreamRecord.TYPE_WATCH -> watch(body, false);
                    case StreamRecord.TYPE_TRANSACTION ->
                            new StreamRecord.Transaction(body.u32(), body.u32());
                    case StreamRecord.TYPE_NODE -> node(body);
                    case StreamRecord.TYPE_GLOBAL_QUOTA -> globalQuota(body);
                    case StreamRecord.TYPE_DOMAIN -> domain(body);
                    case StreamRecord.TYPE_WATCH_EXTENDED -> {
                        if (version == 1) {
                            throw broken(type, "not in version 1");
                        }
                        yield watch(body, true);
                    }
                    default -> throw broken(type, "unknown type");
                };
        body.end();
        return found;
    }

    private static StreamRecord connection(Body body) throws WireException {
        int id = body.u32();
        int type = body.u16();
        int fields = body.u16();
        StreamRecord.Transport transport =
                switch (type) {
                    case StreamRecord.RingTransport.CODE ->
                            new StreamRecord.RingTransport(body.u16(), body.u16(), body.u32());
                    case StreamRecord.SocketTransport.CODE -> {
                        int descriptor = body.u32();
                        body.u32();
                        yield new StreamRecord.SocketTransport(descriptor);
                    }
                    default -> throw body.broken("unknown type of connection: " + type);
                };
        boolean ring = type == StreamRecord.RingTransport.CODE;
        if ((fields & ~(ring ? FIELD_UNIQUE_ID : 0)) != 0) {
            // For a socket, the document once defined this as "read-only"; no socket has it today.
            throw body.broken("unknown flags of a connection: %#x".formatted(fields));
        }
        int inputLength = body.u16();
        int partial = body.u16();
        int outputLength = body.u32();
        byte[] input = body.bytes(inputLength);
        byte[] output = body.bytes(outputLength);
        if (partial > output.length) {
            throw body.broken("the rest of a message is longer than all output");
        }
        if (fields != 0) {
            // It distinguishes a domain from a later one of the same id. Here the code that
            // restores them does that.
            body.align();
            body.bytes(8);
        }
        return new StreamRecord.Connection(id, transport, input, partial, output);
    }

    private static StreamRecord watch(Body body, boolean extended) throws WireException {
        int connection = body.u32();
        int pathLength = body.u16();
        int tokenLength = body.u16();
        int depth = StreamRecord.Watch.UNLIMITED;
        if (extended) {
            depth = body.u16();
            body.u16();
        }
        return new StreamRecord.Watch(
                connection, body.text(pathLength), body.text(tokenLength), depth);
    }

    private static StreamRecord node(Body body) throws WireException {
        int connection = body.u32();
        int transaction = body.u32();
        int pathLength = body.u16();
        int valueLength = body.u16();
        int access = body.u16();
        int count = body.u16();
        List<Permissions.Entry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int letter = body.u8();
            int flags = body.u8();
            Permissions.Entry entry =
                    new Permissions.Entry(access(body, letter), new DomId(body.u16()));
            if (i == 0 || (flags & PERMISSION_STALE) == 0) {
                entries.add(entry);
            }
        }
        byte[] path = body.text(pathLength);
        return new StreamRecord.Node(
                connection,
                transaction,
                access,
                entries.isEmpty() ? null : Permissions.of(entries),
                path,
                body.bytes(valueLength));
    }

    private static Access access(Body body, int letter) throws WireException {
        for (Access access : Access.values()) {
            if (access.letter() == letter) {
                return access;
            }
        }
        throw body.broken("unknown permission: " + letter);
    }

    private static StreamRecord globalQuota(Body body) throws WireException {
        int domain = body.u16();
        int global = body.u16();
        List<StreamRecord.Quota> all = body.quotas(domain + global);
        return new StreamRecord.GlobalQuota(
                all.subList(0, domain), all.subList(domain, domain + global));
    }

    private StreamRecord domain(Body body) throws WireException {
        int id = body.u16();
        int count = body.u16();
        int features = body.u32();
        return new StreamRecord.Domain(id, version == 1 ? 0 : features, body.quotas(count));
    }

    private byte[] exactly(int length) throws IOException {
        read += length;
        if (read > MAX_STREAM_BYTES) {
            throw new WireException("the xenstore stream is too long");
        }
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new WireException("the xenstore stream is cut off");
        }
        return bytes;
    }

    private static WireException broken(int type, String problem) {
        return new WireException("xenstore record of type %#x: %s".formatted(type, problem));
    }

    /// The unread rest of a record's body.
    private record Body(int type, ByteBuffer left) {
        WireException broken(String problem) {
            return RecordReader.broken(type, problem);
        }

        private ByteBuffer need(int bytes) throws WireException {
            if (Integer.compareUnsigned(bytes, left.remaining()) > 0) {
                throw broken("it is too short");
            }
            return left;
        }

        int u8() throws WireException {
            return Byte.toUnsignedInt(need(Byte.BYTES).get());
        }

        int u16() throws WireException {
            return Short.toUnsignedInt(need(Short.BYTES).getShort());
        }

        int u32() throws WireException {
            return need(Integer.BYTES).getInt();
        }

        byte[] bytes(int length) throws WireException {
            need(length);
            byte[] bytes = new byte[length];
            left.get(bytes);
            return bytes;
        }

        /// Bytes that end with their only NUL, returned without it.
        byte[] text(int length) throws WireException {
            if (length == 0) {
                throw broken("a text without its NUL");
            }
            byte[] text = bytes(length - 1);
            for (byte b : text) {
                if (b == 0) {
                    throw broken("a text with a NUL within");
                }
            }
            if (u8() != 0) {
                throw broken("a text without its NUL");
            }
            return text;
        }

        List<StreamRecord.Quota> quotas(int count) throws WireException {
            need(count * Integer.BYTES);
            int[] values = new int[count];
            for (int i = 0; i < count; i++) {
                values[i] = u32();
            }
            List<StreamRecord.Quota> quotas = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                int length = 0;
                while (left.position() + length < left.limit()
                        && left.get(left.position() + length) != 0) {
                    length++;
                }
                if (length > QuotaState.NAME_MAX) {
                    throw broken("a quota's name has " + length + " bytes");
                }
                String name = new String(text(length + 1), StandardCharsets.ISO_8859_1);
                quotas.add(new StreamRecord.Quota(name, values[i]));
            }
            return quotas;
        }

        void align() throws WireException {
            bytes(Math.floorMod(-left.position(), ALIGNMENT));
        }

        /// Throws unless everything except padding was read: bytes left over are state that would be lost.
        void end() throws WireException {
            if (left.remaining() >= ALIGNMENT) {
                throw broken(left.remaining() + " bytes left over");
            }
        }
    }
}
