package io.xenemu.kvm.wire;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/// Writes saved state, frame by frame. Does not close the stream it writes to.
public final class FrameWriter {
    private static final int FRAME_HEADER_BYTES = 3 * Integer.BYTES;

    private final OutputStream out;
    private int frames;
    private boolean finished;

    /// Starts a stream by writing its header.
    public FrameWriter(OutputStream out) throws IOException {
        this.out = out;
        out.write(
                buffer(Long.BYTES + Integer.BYTES)
                        .putLong(WireLimits.MAGIC)
                        .putInt(WireLimits.FORMAT)
                        .array());
    }

    /// Writes a frame.
    ///
    /// @param type names the component; not 0
    /// @param version of the body's layout
    public void write(int type, int version, BodyWriter body) throws IOException {
        if (type == WireLimits.END) {
            throw new IllegalArgumentException("type 0 is the end of a stream");
        }
        frame(type, version, body.toBytes());
    }

    /// Ends the stream and flushes it. A stream that is not finished cannot be read.
    public void finish() throws IOException {
        frame(WireLimits.END, 0, new byte[0]);
        finished = true;
        out.flush();
    }

    private void frame(int type, int version, byte[] body) throws IOException {
        if (finished || frames++ >= WireLimits.MAX_FRAMES) {
            throw new IllegalStateException(
                    finished ? "already finished" : "more than WireLimits.MAX_FRAMES frames");
        }
        byte[] header =
                buffer(FRAME_HEADER_BYTES).putInt(type).putInt(version).putInt(body.length).array();
        CRC32C crc = new CRC32C();
        crc.update(header);
        crc.update(body);
        out.write(header);
        out.write(body);
        out.write(buffer(Integer.BYTES).putInt((int) crc.getValue()).array());
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
