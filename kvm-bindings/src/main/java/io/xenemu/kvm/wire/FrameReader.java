package io.xenemu.kvm.wire;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntFunction;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Reads saved state. For any bytes, it delivers frames that were written or throws [WireException]; it allocates for
/// a length only as bytes arrive. Reads nothing after the end frame.
public final class FrameReader {
    private static final int FRAME_HEADER_BYTES = 3 * Integer.BYTES;

    private final InputStream in;

    /// Restores one component.
    @FunctionalInterface
    public interface Handler {
        /// Reads a body to its end.
        ///
        /// @param version of the body's layout
        /// @throws WireException for a version or content that cannot be used
        void restore(int version, BodyReader body) throws WireException;
    }

    /// Is told of a frame.
    @FunctionalInterface
    public interface Listing {
        /// A frame has been read.
        ///
        /// @param version of the body's layout
        /// @param bytes of the body
        void frame(int type, int version, int bytes);
    }

    /// @param in the stream; the caller closes it
    public FrameReader(InputStream in) {
        this.in = in;
    }

    /// Reads a whole stream in which every type occurs exactly once, in any order: a frame that is missing would be
    /// state that is lost.
    ///
    /// @param handlers one for every type
    /// @throws WireException for a stream that cannot be used; some handlers may have run already
    public void readEachOnce(Map<Integer, Handler> handlers) throws IOException {
        readEachOnce(handlers, Set.of());
    }

    /// Reads a whole stream as [#readEachOnce(Map)], in which some types may be missing: those that earlier writers did
    /// not have.
    ///
    /// @param optional types of `handlers`
    /// @throws WireException for a stream that cannot be used; some handlers may have run already
    public void readEachOnce(Map<Integer, Handler> handlers, Set<Integer> optional)
            throws IOException {
        Set<Integer> missing = new TreeSet<>(handlers.keySet());
        Map<Integer, Handler> once = new HashMap<>();
        handlers.forEach((type, handler) ->
                once.put(
                        type,
                        (version, body) -> {
                            if (!missing.remove(type)) {
                                throw new WireException("occurs twice");
                            }
                            handler.restore(version, body);
                        }));
        read(once);
        missing.removeAll(optional);
        if (!missing.isEmpty()) {
            throw new WireException(inFrame(missing.iterator().next(), "is missing"));
        }
    }

    /// Reads a whole stream of any types, and checks it as far as its frames go. Their bodies are not looked into.
    ///
    /// @throws WireException for a stream that cannot be used
    public void list(Listing listing) throws IOException {
        read(type ->
                (version, body) -> {
                    listing.frame(type, version, body.remaining());
                    body.skipAll();
                });
    }

    /// Reads a whole stream, from the header to the end frame, in order.
    ///
    /// @param handlers one for every type that may occur; any other type is an error
    /// @throws WireException for a stream that cannot be used; some handlers may have run already
    public void read(Map<Integer, Handler> handlers) throws IOException {
        read(handlers::get);
    }

    private void read(IntFunction<@Nullable Handler> handlers) throws IOException {
        ByteBuffer header = littleEndian(exactly(Long.BYTES + Integer.BYTES));
        if (header.getLong() != WireLimits.MAGIC) {
            throw new WireException("not a saved state");
        }
        int format = header.getInt();
        if (format != WireLimits.FORMAT) {
            throw WireException.unknownVersion("the stream of saved", format);
        }
        for (int frames = 0; frames < WireLimits.MAX_FRAMES; frames++) {
            if (!frame(handlers)) {
                return;
            }
        }
        throw new WireException("more than " + WireLimits.MAX_FRAMES + " frames");
    }

    /// @return false if it was the end frame
    private boolean frame(IntFunction<@Nullable Handler> handlers) throws IOException {
        byte[] header = exactly(FRAME_HEADER_BYTES);
        ByteBuffer fields = littleEndian(header);
        int type = fields.getInt();
        int version = fields.getInt();
        int length = fields.getInt();
        if (Integer.compareUnsigned(length, WireLimits.MAX_BODY_BYTES) > 0) {
            throw new WireException(
                    inFrame(type, Integer.toUnsignedString(length) + " bytes are too many"));
        }
        byte[] body = exactly(length);
        CRC32C crc = new CRC32C();
        crc.update(header);
        crc.update(body);
        if (littleEndian(exactly(Integer.BYTES)).getInt() != (int) crc.getValue()) {
            throw new WireException(inFrame(type, "checksum is wrong"));
        }
        if (type == WireLimits.END) {
            if (version != 0 || length != 0) {
                throw new WireException(inFrame(type, "the end frame is not empty"));
            }
            return false;
        }
        Handler handler = handlers.apply(type);
        if (handler == null) {
            throw new WireException(inFrame(type, "unknown type"));
        }
        restore(handler, type, version, new BodyReader(body));
        return true;
    }

    private static void restore(Handler handler, int type, int version, BodyReader body)
            throws WireException {
        try {
            handler.restore(version, body);
            body.end();
        } catch (WireException e) {
            throw new WireException(inFrame(type, String.valueOf(e.getMessage())), e);
        }
    }

    private byte[] exactly(int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new WireException("saved state is cut off");
        }
        return bytes;
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static String inFrame(int type, String problem) {
        return "frame of type %#x: %s".formatted(type, problem);
    }
}
