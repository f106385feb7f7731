package io.xenemu.core.trace;

import com.google.common.primitives.Bytes;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Reads a trace: see [TraceFile]. For any bytes, it delivers records that were written or throws [WireException]; it
/// holds one block at a time, and the domain's state.
public final class TraceReader {
    /// The end of a trace.
    ///
    /// @param lost records that were lost
    /// @param reason why the trace ended
    public record End(long lost, String reason) {}

    private final InputStream in;
    private final OutputStream copy;
    private final TraceHeader header;
    private final byte[] state;
    private final Deque<TracedRecord> records = new ArrayDeque<>();
    private @Nullable End end;

    /// Reads the header of a trace.
    ///
    /// @param in the caller closes it
    /// @throws WireException if it is no trace
    public TraceReader(InputStream in) throws IOException {
        this(in, OutputStream.nullOutputStream());
    }

    /// Reads the header of a trace, and copies each block once it is read. The copy is a valid trace at any time.
    ///
    /// @param in the caller closes it
    /// @param copy gets the trace; the caller closes it
    /// @throws WireException if it is no trace
    public TraceReader(InputStream in, OutputStream copy) throws IOException {
        this.in = in;
        this.copy = copy;
        byte[] magic = in.readNBytes(TraceFile.HEADER_BYTES);
        if (magic.length == 0) {
            throw new WireException("nothing was recorded");
        }
        if (magic.length < TraceFile.HEADER_BYTES) {
            throw cutOff();
        }
        ByteBuffer start = numbers(magic);
        if (start.getLong() != TraceFile.MAGIC) {
            throw new WireException("not a trace");
        }
        int version = start.getInt();
        if (version < 1 || version > TraceFile.VERSION) {
            throw new WireException(
                    "a trace of version "
                            + Integer.toUnsignedString(version)
                            + "; this program reads versions 1 to "
                            + TraceFile.VERSION);
        }
        copy.write(magic);
        BodyReader body = block();
        if (body == null || body.u8() != TraceFile.DOMAIN) {
            throw new WireException("a trace without its domain");
        }
        header = TraceHeader.decode(version, body);
        state = new byte[header.replay().stateBytes()];
        readState();
    }

    private void readState() throws IOException {
        for (int done = 0; done < state.length; ) {
            BodyReader body = block();
            if (body == null || body.u8() != TraceFile.STATE) {
                throw new WireException("a trace without its domain's state");
            }
            if (body.remaining() == 0 || body.remaining() > state.length - done) {
                throw new WireException("a trace with too much state");
            }
            while (body.remaining() > 0) {
                state[done++] = (byte) body.u8();
            }
        }
    }

    /// The domain whose records they are.
    public TraceHeader header() {
        return header;
    }

    /// The state of the domain when the trace began, in the frames of [io.xenemu.core.domain.HeldState]; empty if it
    /// has none.
    public byte[] state() {
        return state.clone();
    }

    /// The next record; null at the end.
    ///
    /// @throws WireException if the trace is damaged or cut off within a block
    public @Nullable TracedRecord next() throws IOException {
        while (records.isEmpty() && end == null) {
            BodyReader body = block();
            if (body == null) {
                return null;
            }
            read(body);
        }
        return records.poll();
    }

    /// Whether records have been read that [#next] has not returned.
    public boolean hasMore() {
        return !records.isEmpty();
    }

    /// The end of the trace; null if it just stops.
    public @Nullable End end() {
        return end;
    }

    private void read(BodyReader body) throws WireException {
        int kind = body.u8();
        switch (kind) {
            case TraceFile.RECORDS -> {
                while (body.remaining() > 0) {
                    records.add(TracedRecord.decode(body));
                }
            }
            case TraceFile.END -> {
                end = new End(body.u64(), body.string(TraceFile.MAX_REASON));
                body.end();
            }
            default -> throw new WireException("a block of kind " + kind);
        }
    }

    /// @return null at the end of the stream
    private @Nullable BodyReader block() throws IOException {
        byte[] start = in.readNBytes(TraceFile.BLOCK_HEADER_BYTES);
        if (start.length == 0) {
            return null;
        }
        if (start.length < TraceFile.BLOCK_HEADER_BYTES) {
            throw cutOff();
        }
        ByteBuffer numbers = numbers(start);
        int length = numbers.getInt();
        if (length <= 0 || length > TraceFile.MAX_BLOCK) {
            throw new WireException("a block of " + Integer.toUnsignedString(length) + " bytes");
        }
        byte[] body = exactly(length);
        CRC32C crc = new CRC32C();
        crc.update(body);
        if (numbers.getInt() != (int) crc.getValue()) {
            throw new WireException("a block whose checksum is wrong");
        }
        // One write, so that a copy that just ends has whole blocks.
        copy.write(Bytes.concat(start, body));
        return new BodyReader(body);
    }

    private byte[] exactly(int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw cutOff();
        }
        return bytes;
    }

    private static WireException cutOff() {
        return new WireException("the trace is cut off");
    }

    private static ByteBuffer numbers(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
