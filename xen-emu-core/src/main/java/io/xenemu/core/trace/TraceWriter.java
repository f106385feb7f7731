package io.xenemu.core.trace;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/// Writes a trace, a block at a time: see [TraceFile].
final class TraceWriter {
    private final HypercallTrace.Target sink;
    private final ByteBuffer block =
            ByteBuffer.allocate(TraceFile.BLOCK_HEADER_BYTES + TraceFile.MAX_BLOCK)
                    .order(ByteOrder.LITTLE_ENDIAN);

    /// Writes the beginning.
    ///
    /// @param state of the domain, as long as the header says
    TraceWriter(HypercallTrace.Target sink, TraceHeader header, byte[] state) throws IOException {
        this.sink = sink;
        block.putLong(TraceFile.MAGIC).putInt(TraceFile.VERSION).flip();
        sink.write(block);
        begin(TraceFile.DOMAIN);
        block.put(header.encode());
        finish();
        for (int done = 0; done < state.length; ) {
            begin(TraceFile.STATE);
            int piece = Math.min(state.length - done, block.remaining());
            block.put(state, done, piece);
            finish();
            done += piece;
        }
        begin(TraceFile.RECORDS);
    }

    private void begin(byte kind) {
        block.clear().position(TraceFile.BLOCK_HEADER_BYTES);
        block.put(kind);
    }

    private void finish() throws IOException {
        int length = block.position() - TraceFile.BLOCK_HEADER_BYTES;
        CRC32C crc = new CRC32C();
        crc.update(block.array(), TraceFile.BLOCK_HEADER_BYTES, length);
        block.putInt(0, length).putInt(Integer.BYTES, (int) crc.getValue()).flip();
        sink.write(block);
    }

    /// Writes the next record of a ring.
    void record(CallRing ring) throws IOException {
        if (block.remaining() < RecordLayout.MAX_BYTES) {
            flush();
        }
        ring.take(block);
    }

    /// Sends the block that has been built so far.
    void flush() throws IOException {
        if (block.position() > TraceFile.BLOCK_HEADER_BYTES + 1) {
            finish();
            begin(TraceFile.RECORDS);
        }
    }

    /// Writes the end.
    ///
    /// @param lost records that were lost
    /// @param reason why the trace ends
    void end(long lost, String reason) throws IOException {
        flush();
        begin(TraceFile.END);
        byte[] text = reason.getBytes(UTF_8);
        block.putLong(lost).putInt(text.length).put(text);
        finish();
    }
}
