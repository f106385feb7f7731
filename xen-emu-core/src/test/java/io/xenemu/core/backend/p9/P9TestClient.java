package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// A guest's client: makes requests and takes answers apart. Fields are by Java's type: Byte, Short, Integer, Long,
/// String for a 9P string, byte[] as it is.
final class P9TestClient implements AutoCloseable {
    static final int ROOT = 100;
    static final int MSIZE = 64 << 10;
    private static final int NOFID = -1;

    final P9Server server;
    private final P9Scratch scratch = new P9Scratch();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment request = arena.allocate(P9Server.MSIZE_MAX);
    private final MemorySegment answer = arena.allocate(P9Server.MSIZE_MAX);

    /// An answer behind its header.
    record Answer(int type, ByteBuffer body) {
        int errno() {
            return type == P9Operation.RLERROR ? body.getInt(0) : 0;
        }

        String string() {
            byte[] text = new byte[Short.toUnsignedInt(body.getShort())];
            body.get(text);
            return new String(text, ISO_8859_1);
        }

        byte[] data() {
            byte[] data = new byte[body.getInt()];
            body.get(data);
            return data;
        }
    }

    record Entry(String name, long inode, long next, int type) {}

    private final boolean owner;

    P9TestClient(P9Server server) {
        this(server, true);
    }

    /// @param owner whether the server ends with the client
    P9TestClient(P9Server server, boolean owner) {
        this.server = server;
        this.owner = owner;
    }

    /// A client that has agreed on the version and attached the root.
    static P9TestClient attached(P9Server server) {
        server.connect(MSIZE);
        P9TestClient client = new P9TestClient(server);
        client.ok(P9Operation.VERSION, MSIZE, "9P2000.L");
        client.ok(P9Operation.ATTACH, ROOT, NOFID, "root", "", -1);
        return client;
    }

    static byte[] bytes(int type, int tag, Object... fields) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(new byte[Integer.BYTES]);
        put(out, (byte) type);
        put(out, (short) tag);
        for (Object field : fields) {
            put(out, field);
        }
        byte[] all = out.toByteArray();
        ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).putInt(0, all.length);
        return all;
    }

    private static void put(ByteArrayOutputStream out, Object field) {
        ByteBuffer number = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        switch (field) {
            case Byte one -> number.put(one);
            case Short two -> number.putShort(two);
            case Integer four -> number.putInt(four);
            case Long eight -> number.putLong(eight);
            case String text -> {
                put(out, (short) text.length());
                out.writeBytes(text.getBytes(ISO_8859_1));
            }
            case byte[] raw -> out.writeBytes(raw);
            default -> throw new IllegalArgumentException(field.toString());
        }
        out.write(number.array(), 0, number.position());
    }

    Answer send(P9Operation operation, Object... fields) {
        return send(bytes(operation.number(), 7, fields));
    }

    synchronized Answer send(byte[] message) {
        MemorySegment.copy(message, 0, request, JAVA_BYTE, 0, message.length);
        int bound = server.answerBound(request, message.length);
        int size = server.handle(scratch, request, message.length, answer, bound);
        byte[] all = answer.asSlice(0, size).toArray(JAVA_BYTE);
        ByteBuffer body = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(size, body.getInt(0));
        assertEquals(true, size <= bound, size + " bytes, and the bound is " + bound);
        assertEquals(P9Server.tag(request), Short.toUnsignedInt(body.getShort(5)));
        body.position(P9Reader.HEADER);
        return new Answer(
                Byte.toUnsignedInt(body.get(4)), body.slice().order(ByteOrder.LITTLE_ENDIAN));
    }

    Answer ok(P9Operation operation, Object... fields) {
        Answer answer = send(operation, fields);
        assertEquals(0, answer.errno(), operation.toString());
        assertEquals(operation.answer(), answer.type());
        return answer;
    }

    void fails(int errno, P9Operation operation, Object... fields) {
        assertEquals(errno, send(operation, fields).errno(), operation.toString());
    }

    /// Walks from the root.
    Answer walk(int newFid, String... names) {
        return walkFrom(ROOT, newFid, names);
    }

    Answer walkFrom(int fid, int newFid, String... names) {
        List<Object> fields = new ArrayList<>(List.of(fid, newFid, (short) names.length));
        fields.addAll(List.of(names));
        return send(P9Operation.WALK, fields.toArray());
    }

    /// A fid for a file below the root.
    int at(int newFid, String... names) {
        Answer answer = walk(newFid, names);
        assertEquals(0, answer.errno(), List.of(names).toString());
        assertEquals(names.length, answer.body().getShort());
        return newFid;
    }

    int open(int newFid, int flags, String... names) {
        at(newFid, names);
        ok(P9Operation.LOPEN, newFid, flags);
        return newFid;
    }

    void clunk(int fid) {
        ok(P9Operation.CLUNK, fid);
    }

    String read(int fid) {
        return new String(ok(P9Operation.READ, fid, 0L, MSIZE).data(), ISO_8859_1);
    }

    /// One answer's entries.
    List<Entry> entries(int fid, long offset, int count) {
        ByteBuffer data =
                ByteBuffer.wrap(ok(P9Operation.READDIR, fid, offset, count).data())
                        .order(ByteOrder.LITTLE_ENDIAN);
        List<Entry> entries = new ArrayList<>();
        while (data.hasRemaining()) {
            data.get();
            data.getInt();
            long inode = data.getLong();
            long next = data.getLong();
            int type = data.get();
            byte[] name = new byte[data.getShort()];
            data.get(name);
            entries.add(new Entry(new String(name, ISO_8859_1), inode, next, type));
        }
        return entries;
    }

    @Override
    public void close() {
        if (owner) {
            server.close();
        }
        scratch.close();
        arena.close();
    }
}
