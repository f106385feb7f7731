package io.xenemu.core.migration;

import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/// A frame of the connection of a post-copy migration, after the destination runs the guest: its pages, and who wants
/// them. `docs/saved-state.md` has their order. A frame has a magic number, its type, its length, its body, and a
/// checksum of all that, little-endian.
public sealed interface PageFrame {
    /// The most pages of a frame.
    int MAX_PAGES = 64;

    /// The longest body.
    int MAX_BODY_BYTES = MAX_PAGES * SaveFormat.PAGE + 2 * Integer.BYTES;

    /// Magic, type and length.
    int HEAD_BYTES = 3 * Integer.BYTES;

    /// "XPGS", little-endian.
    int MAGIC = 0x5347_5058;

    /// The most words of missing pages in a frame: so small a frame is sent as a whole or not at all.
    int MAX_WORDS = 1024;

    int MAX_REASON_BYTES = 4096;

    /// The destination begins, or begins anew: [Missing] frames follow, then the source answers.
    ///
    /// @param nonce of this beginning
    record Resync(long nonce) implements PageFrame {}

    /// The pages that the destination does not have.
    ///
    /// @param first a multiple of 64
    /// @param isLast whether these are all
    /// @param words a bit for each page from `first` on, the lowest first
    record Missing(int first, boolean isLast, ByteBuffer words) implements PageFrame {}

    /// The source has understood; pages follow. What the destination reads before this frame is of an earlier
    /// beginning.
    record Synced(long nonce) implements PageFrame {}

    /// A thread waits for a page at the destination.
    record Need(int page) implements PageFrame {}

    /// Pages that follow one another.
    ///
    /// @param bytes theirs; fewer are compressed, none are zeros
    record Pages(int first, int count, ByteBuffer bytes) implements PageFrame {}

    /// The destination runs the guest.
    record Running() implements PageFrame {}

    /// The destination has all pages.
    record Complete() implements PageFrame {}

    /// The guest has ended at the destination, and needs no pages any more.
    ///
    /// @param reason for an operator
    record Ended(String reason) implements PageFrame {}

    /// The number of its type.
    private int type() {
        return switch (this) {
            case Resync _ -> 1;
            case Missing _ -> 2;
            case Synced _ -> 3;
            case Need _ -> 4;
            case Pages _ -> 5;
            case Running _ -> 6;
            case Complete _ -> 7;
            case Ended _ -> 8;
        };
    }

    /// All of its bytes.
    default ByteBuffer encode() {
        ByteBuffer frame = ByteBuffer.allocate(HEAD_BYTES + bodyBytes() + Integer.BYTES);
        frame.order(ByteOrder.LITTLE_ENDIAN).putInt(MAGIC).putInt(type()).putInt(bodyBytes());
        switch (this) {
            case Resync(long nonce) -> frame.putLong(nonce);
            case Missing(int first, boolean isLast, ByteBuffer words) ->
                    frame.putInt(first).putInt(isLast ? 1 : 0).put(words.duplicate());
            case Synced(long nonce) -> frame.putLong(nonce);
            case Need(int page) -> frame.putInt(page);
            case Pages(int first, int count, ByteBuffer bytes) ->
                    frame.putInt(first).putInt(count).put(bytes.duplicate());
            case Running _, Complete _ -> {}
            case Ended(String reason) -> frame.put(reason.getBytes(StandardCharsets.UTF_8));
        }
        return frame.putInt(crc(frame.duplicate().flip())).flip();
    }

    private int bodyBytes() {
        return switch (this) {
            case Resync _, Synced _ -> Long.BYTES;
            case Missing missing -> 2 * Integer.BYTES + missing.words().remaining();
            case Need _ -> Integer.BYTES;
            case Pages pages -> 2 * Integer.BYTES + pages.bytes().remaining();
            case Running _, Complete _ -> 0;
            case Ended(String reason) -> reason.getBytes(StandardCharsets.UTF_8).length;
        };
    }

    /// The checksum of some bytes.
    static int crc(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    /// Reads a frame.
    ///
    /// @param body little-endian, valid as long as the frame is used
    /// @throws WireException if it is none that this program knows
    static PageFrame decode(int type, ByteBuffer body) throws WireException {
        int least =
                switch (type) {
                    case 1, 2, 3, 5 -> Long.BYTES;
                    case 4 -> Integer.BYTES;
                    default -> 0;
                };
        if (body.remaining() < least) {
            throw new WireException("a frame of pages that is too short");
        }
        PageFrame frame =
                switch (type) {
                    case 1 -> new Resync(body.getLong());
                    case 2 -> missing(body);
                    case 3 -> new Synced(body.getLong());
                    case 4 -> new Need(body.getInt());
                    case 5 -> pages(body);
                    case 6 -> new Running();
                    case 7 -> new Complete();
                    case 8 -> ended(body);
                    default -> throw new WireException("an unknown frame of pages: " + type);
                };
        if (body.hasRemaining()) {
            throw new WireException("a frame of pages that is too long");
        }
        return frame;
    }

    private static Missing missing(ByteBuffer body) throws WireException {
        int first = body.getInt();
        int last = body.getInt();
        int bytes = body.remaining();
        if (first < 0
                || first % Long.SIZE != 0
                || (last & ~1) != 0
                || bytes % Long.BYTES != 0
                || bytes > MAX_WORDS * Long.BYTES) {
            throw new WireException("a frame of missing pages that is none");
        }
        return new Missing(first, last == 1, rest(body));
    }

    private static Pages pages(ByteBuffer body) throws WireException {
        int first = body.getInt();
        int count = body.getInt();
        if (first < 0
                || count <= 0
                || count > MAX_PAGES
                || body.remaining() > count * SaveFormat.PAGE) {
            throw new WireException("a frame of pages that is none");
        }
        return new Pages(first, count, rest(body));
    }

    private static Ended ended(ByteBuffer body) throws WireException {
        if (body.remaining() > MAX_REASON_BYTES) {
            throw new WireException("a reason that is too long");
        }
        return new Ended(StandardCharsets.UTF_8.decode(rest(body)).toString());
    }

    private static ByteBuffer rest(ByteBuffer body) {
        ByteBuffer rest = body.slice().order(ByteOrder.LITTLE_ENDIAN);
        body.position(body.limit());
        return rest;
    }
}
