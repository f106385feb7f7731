package io.xenemu.core.backend.nbd;

import static io.xenemu.core.backend.nbd.NbdProtocol.*;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/// The first phase of a connection: fixed newstyle negotiation up to the transmission phase. Structured replies and
/// `base:allocation` are asked for, and not needed.
///
/// Nothing from the server is taken as it comes: lengths and counts have limits, sizes are checked.
final class NbdHandshake {
    /// Sends bytes, and empties the vector.
    interface Output {
        void send(IoVectors data) throws IOException;
    }

    private static final String ALLOCATION = "base:allocation";

    /// Replies to one option: a server has a few items of information on an export.
    private static final int MOST_REPLIES = 64;

    /// Bytes of one reply: two strings of the protocol's 4096 bytes, and some fields.
    private static final int LONGEST_REPLY = 16 * 1024;

    /// Bytes of a message that is told to the operator.
    private static final int LONGEST_MESSAGE = 200;

    /// Zeroes after the reply to `NBD_OPT_EXPORT_NAME`.
    private static final int PADDING = 124;

    private static final int LARGEST_MINIMUM_BLOCK = 1 << 16;
    private static final int SMALLEST_PREFERRED_BLOCK = 1 << 9;
    private static final int DEFAULT_PREFERRED_BLOCK = 1 << 12;

    private static final int EXPORT_INFO_BYTES = 12;
    private static final int BLOCK_INFO_BYTES = 14;

    private final ReplyBuffer replies;
    private final Output output;
    private final String export;
    private final boolean askBlockSize;
    private boolean padded = true;
    private boolean structured;
    private long allocation = NbdExport.NO_CONTEXT;
    private long size = -1;
    private int flags;
    private int minimumBlock = 1;
    private int preferredBlock = DEFAULT_PREFERRED_BLOCK;
    private int maximumPayload = SAFE_PAYLOAD;

    private NbdHandshake(ReplyBuffer replies, Output output, String export, boolean askBlockSize) {
        this.askBlockSize = askBlockSize;
        this.replies = replies;
        this.output = output;
        this.export = export;
    }

    /// Negotiates.
    ///
    /// @param export the export's name
    /// @param askBlockSize whether to ask for the block sizes, which then have to be kept to
    /// @throws NbdException if the server refuses, or breaks the protocol
    static NbdExport negotiate(
            ReplyBuffer replies, Output output, String export, boolean askBlockSize)
            throws IOException {
        return new NbdHandshake(replies, output, export, askBlockSize).negotiate();
    }

    private NbdExport negotiate() throws IOException {
        greet();
        structured = ask(OPT_STRUCTURED_REPLY, new byte[0]);
        if (structured) {
            boolean known = ask(OPT_SET_META_CONTEXT, metaContextData());
            allocation = known ? allocation : NbdExport.NO_CONTEXT;
        }
        if (!ask(OPT_GO, goData())) {
            exportName();
        }
        return checked();
    }

    private void greet() throws IOException {
        if (replies.nextLong() != MAGIC) {
            throw new NbdException("it is not an NBD server");
        }
        if (replies.nextLong() != OPTION_MAGIC) {
            throw new NbdException("the NBD server is too old: it does not negotiate", true);
        }
        int offered = replies.nextUnsignedShort();
        if ((offered & FIXED_NEWSTYLE) == 0) {
            throw new NbdException("the NBD server is too old: no fixed newstyle", true);
        }
        padded = (offered & NO_ZEROES) == 0;
        send(
                ByteBuffer.allocate(Integer.BYTES)
                        .putInt(offered & (FIXED_NEWSTYLE | NO_ZEROES))
                        .array());
    }

    /// Sends an option and reads its replies.
    ///
    /// @return false if the server does not know the option, or does not allow it
    private boolean ask(int option, byte[] data) throws IOException {
        option(option, data);
        for (int i = 0; i < MOST_REPLIES; i++) {
            if (replies.nextLong() != OPTION_REPLY_MAGIC || replies.nextInt() != option) {
                throw broken("a reply to no option");
            }
            int type = replies.nextInt();
            int length = replies.nextInt();
            if (length < 0 || length > LONGEST_REPLY) {
                throw broken("a reply of " + Integer.toUnsignedString(length) + " bytes");
            }
            if ((type & REP_ERROR) != 0) {
                String message = message(length);
                if (option != OPT_GO || type == REP_ERR_UNSUP) {
                    return refusedOption(type);
                }
                throw refusal(type, message);
            }
            switch (type) {
                case REP_ACK -> {
                    replies.skip(length);
                    return true;
                }
                case REP_INFO -> information(length);
                case REP_META_CONTEXT -> metaContext(option, length);
                default -> throw broken("a reply of type " + type);
            }
        }
        throw broken("more than " + MOST_REPLIES + " replies to an option");
    }

    private static boolean refusedOption(int type) throws NbdException {
        if (type == REP_ERR_TLS_REQD || type == REP_ERR_SHUTDOWN) {
            throw refusal(type, "");
        }
        return false;
    }

    private static NbdException refusal(int type, String message) {
        String detail = message.isEmpty() ? "" : " (" + message + ")";
        return switch (type) {
            case REP_ERR_UNKNOWN ->
                    new NbdException("the NBD server has no such export" + detail, true);
            case REP_ERR_TLS_REQD ->
                    new NbdException("the NBD server needs TLS, which is not supported", true);
            case REP_ERR_POLICY ->
                    new NbdException("the NBD server does not allow it" + detail, true);
            case REP_ERR_SHUTDOWN -> new NbdException("the NBD server is shutting down");
            default ->
                    new NbdException(
                            "the NBD server refuses: error "
                                    + Integer.toUnsignedString(type & ~REP_ERROR)
                                    + detail);
        };
    }

    /// Reads the server's message, without what could move a terminal's cursor.
    private String message(int length) throws IOException {
        int told = Math.min(length, LONGEST_MESSAGE);
        String text = new String(replies.nextBytes(told), UTF_8);
        replies.skip(length - told);
        return text.replaceAll("\\p{Cntrl}", " ").strip();
    }

    private void information(int length) throws IOException {
        if (length < Short.BYTES) {
            throw broken("information of " + length + " bytes");
        }
        int type = replies.nextUnsignedShort();
        switch (type) {
            case INFO_EXPORT -> {
                exact(length, EXPORT_INFO_BYTES);
                size = replies.nextLong();
                flags = replies.nextUnsignedShort();
            }
            case INFO_BLOCK_SIZE -> {
                exact(length, BLOCK_INFO_BYTES);
                blockSizes(
                        replies.nextUnsignedInt(),
                        replies.nextUnsignedInt(),
                        replies.nextUnsignedInt());
            }
            default -> replies.skip(length - Short.BYTES);
        }
    }

    private static void exact(int length, int expected) throws NbdException {
        if (length != expected) {
            throw broken("information of " + length + " bytes for " + expected);
        }
    }

    private void blockSizes(long minimum, long preferred, long maximum) throws NbdException {
        if (Long.bitCount(minimum) != 1
                || minimum > LARGEST_MINIMUM_BLOCK
                || Long.bitCount(preferred) != 1
                || preferred < Math.max(minimum, SMALLEST_PREFERRED_BLOCK)
                || maximum < preferred) {
            throw broken("block sizes of %d, %d and %d".formatted(minimum, preferred, maximum));
        }
        minimumBlock = Math.toIntExact(minimum);
        preferredBlock = Math.toIntExact(Math.min(preferred, SAFE_PAYLOAD));
        // Whole blocks, as offsets and lengths have to be.
        maximumPayload = Math.toIntExact(Math.min(maximum, SAFE_PAYLOAD) & -minimum);
    }

    private void metaContext(int option, int length) throws IOException {
        if (option != OPT_SET_META_CONTEXT || length < Integer.BYTES) {
            throw broken("a metadata context of " + length + " bytes");
        }
        long id = replies.nextUnsignedInt();
        if (message(length - Integer.BYTES).equals(ALLOCATION)) {
            allocation = id;
        }
    }

    /// The way of servers without `NBD_OPT_GO`, which hang up if there is no such export.
    private void exportName() throws IOException {
        option(OPT_EXPORT_NAME, export.getBytes(UTF_8));
        size = replies.nextLong();
        flags = replies.nextUnsignedShort();
        if (padded) {
            replies.skip(PADDING);
        }
    }

    private NbdExport checked() throws NbdException {
        if (size < 0) {
            throw broken("no export, or one of more than 2^63 bytes");
        }
        if ((flags & HAS_FLAGS) == 0) {
            throw broken("an export without flags");
        }
        return new NbdExport(
                size, flags, minimumBlock, preferredBlock, maximumPayload, structured, allocation);
    }

    private byte[] goData() {
        byte[] name = export.getBytes(UTF_8);
        int asked = askBlockSize ? 1 : 0;
        ByteBuffer data =
                ByteBuffer.allocate(Integer.BYTES + name.length + (1 + asked) * Short.BYTES)
                        .putInt(name.length)
                        .put(name)
                        .putShort((short) asked);
        if (askBlockSize) {
            data.putShort((short) INFO_BLOCK_SIZE);
        }
        return data.array();
    }

    private byte[] metaContextData() {
        byte[] name = export.getBytes(UTF_8);
        byte[] query = ALLOCATION.getBytes(UTF_8);
        return ByteBuffer.allocate(3 * Integer.BYTES + name.length + query.length)
                .putInt(name.length)
                .put(name)
                .putInt(1)
                .putInt(query.length)
                .put(query)
                .array();
    }

    private void option(int option, byte[] data) throws IOException {
        send(
                ByteBuffer.allocate(Long.BYTES + 2 * Integer.BYTES + data.length)
                        .putLong(OPTION_MAGIC)
                        .putInt(option)
                        .putInt(data.length)
                        .put(data)
                        .array());
    }

    private void send(byte[] message) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment copy = arena.allocateFrom(JAVA_BYTE, message);
            IoVectors data = new IoVectors(arena, 1);
            data.add(copy.address(), copy.byteSize());
            output.send(data);
        }
    }

    private static NbdException broken(String what) {
        return new NbdException("the NBD server breaks the protocol in its greeting: " + what);
    }
}
