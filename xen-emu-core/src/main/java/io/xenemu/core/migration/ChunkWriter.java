package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ReadableByteChannel;
import java.security.MessageDigest;

/// Writes content of any length as sections of [SectionType#DATA].
final class ChunkWriter {
    private final SectionWriter out;
    private final ByteBuffer chunk =
            ByteBuffer.allocate(
                            SaveFormat.SECTION_HEADER_BYTES
                                    + SaveFormat.CHUNK_BYTES
                                    + SaveFormat.CRC_BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN);

    ChunkWriter(SectionWriter out) {
        this.out = out;
    }

    /// Writes a file's content, if it is wanted, and its digest.
    ///
    /// @param size of the content, in bytes
    /// @throws IOException if the content has another size
    void file(ReadableByteChannel content, long size, boolean isIncluded) throws IOException {
        MessageDigest digest = StreamAccount.sha256();
        long left = size;
        while (true) {
            int length = fill(content);
            if (length == 0) {
                break;
            }
            left -= length;
            if (left < 0) {
                break;
            }
            digest.update(chunk.array(), SaveFormat.SECTION_HEADER_BYTES, length);
            if (isIncluded) {
                write(length);
            }
        }
        if (left != 0) {
            throw new IOException("it has changed while it was read");
        }
        out.write(
                SectionType.FILE_END, SaveFormat.VERSION, new BodyWriter().bytes(digest.digest()));
    }

    /// Writes content that is in memory.
    void bytes(byte[] content) throws IOException {
        for (int at = 0; at < content.length; at += SaveFormat.CHUNK_BYTES) {
            int length = Math.min(SaveFormat.CHUNK_BYTES, content.length - at);
            chunk.clear().position(SaveFormat.SECTION_HEADER_BYTES);
            chunk.put(content, at, length);
            write(length);
        }
    }

    private int fill(ReadableByteChannel content) throws IOException {
        chunk.clear().position(SaveFormat.SECTION_HEADER_BYTES);
        chunk.limit(SaveFormat.SECTION_HEADER_BYTES + SaveFormat.CHUNK_BYTES);
        while (chunk.hasRemaining() && content.read(chunk) >= 0) {
            // Until it is full, or nothing more comes.
        }
        return chunk.position() - SaveFormat.SECTION_HEADER_BYTES;
    }

    private void write(int length) throws IOException {
        out.write(
                SectionType.DATA,
                SaveFormat.VERSION,
                chunk,
                0,
                SaveFormat.SECTION_HEADER_BYTES + length);
    }
}
