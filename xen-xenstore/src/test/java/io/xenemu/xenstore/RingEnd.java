package io.xenemu.xenstore;

import io.xenemu.xenstore.ring.RingConnection;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// The guest's end of a ring: puts requests in, takes replies out, one whole conversation at a time.
record RingEnd(MemorySegment page, RingConnection connection) {
    static final int REQ_CONS = 0x800;
    static final int REQ_PROD = 0x804;
    static final int RSP_CONS = 0x808;
    static final int RSP_PROD = 0x80c;

    /// Value of `connection`, by which a guest asks for a reconnection.
    static final int RECONNECT = 1;

    /// Values of `error`.
    static final int ERROR_RING_INDEX = 2;

    static final int ERROR_PROTOCOL = 3;

    RingEnd(Rig.Guest guest) {
        this(guest.page, guest.connection);
    }

    int get(int offset) {
        return page.get(ValueLayout.JAVA_INT, offset);
    }

    void set(int offset, int value) {
        page.set(ValueLayout.JAVA_INT, offset, value);
    }

    static byte[] message(MessageType type, int id, int tx, String payload) {
        byte[] body = payload.getBytes(StandardCharsets.ISO_8859_1);
        byte[] message = new byte[MessageHeader.SIZE + body.length];
        MessageHeader.put(message, 0, type, id, tx, body.length);
        System.arraycopy(body, 0, message, MessageHeader.SIZE, body.length);
        return message;
    }

    /// Puts as much of the bytes from `from` on into the ring as fits, at most `most`; returns how much.
    int produce(byte[] bytes, int from, int most) {
        int producer = get(REQ_PROD);
        int count =
                Math.min(Math.min(most, bytes.length - from), 1024 - (producer - get(REQ_CONS)));
        for (int i = 0; i < count; i++) {
            page.set(ValueLayout.JAVA_BYTE, (producer + i) & 1023, bytes[from + i]);
        }
        set(REQ_PROD, producer + count);
        return count;
    }

    /// Takes at most `most` bytes out of the ring.
    byte[] consume(int most) {
        int consumer = get(RSP_CONS);
        int count = Math.min(most, get(RSP_PROD) - consumer);
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) {
            bytes[i] = page.get(ValueLayout.JAVA_BYTE, 0x400 + ((consumer + i) & 1023));
        }
        set(RSP_CONS, consumer + count);
        return bytes;
    }

    void service() {
        connection.service();
    }

    /// Sends the first `most` bytes.
    void send(byte[] bytes, int most) {
        produce(bytes, 0, most);
        service();
    }

    /// Everything that comes until nothing does.
    List<Rig.Reply> receive() {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] piece = consume(1024); piece.length > 0; piece = consume(1024)) {
            all.writeBytes(piece);
            service();
        }
        byte[] bytes = all.toByteArray();
        return Rig.parse(bytes, 0, bytes.length);
    }

    /// Sends a request and returns the reply's payload, or the error's; events are left out.
    String ask(MessageType type, int tx, String payload) {
        send(message(type, 1, tx, payload), 1024);
        return receive().stream()
                .filter(reply -> reply.type() != MessageType.WATCH_EVENT.code())
                .findFirst()
                .orElseThrow()
                .text();
    }
}
