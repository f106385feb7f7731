package io.xenemu.core.migration;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/// The account of a stream so far, which its last section repeats. The digest is over the headers and checksums of all
/// sections: so sections that are exchanged, left out or repeated are found, and the bytes are read only once.
final class StreamAccount {
    private final MessageDigest digest = sha256();
    private final ByteBuffer entry =
            ByteBuffer.allocate(SaveFormat.SECTION_HEADER_BYTES + SaveFormat.CRC_BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN);
    private long sections;
    private long bytes;

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("each JDK has SHA-256", e);
        }
    }

    /// Adds the stream's header.
    void header(ByteBuffer header) {
        digest.update(header.duplicate());
        bytes += header.remaining();
    }

    /// Adds a section.
    ///
    /// @param in has the section's header
    /// @param at where that is
    void section(ByteBuffer in, int at, int crc) {
        entry.put(0, in, at, SaveFormat.SECTION_HEADER_BYTES);
        entry.putInt(SaveFormat.SECTION_HEADER_BYTES, crc);
        digest.update(entry.array());
        sections++;
        bytes += entry.capacity() + in.getInt(at + 2 * Integer.BYTES);
    }

    /// The number of sections.
    long sections() {
        return sections;
    }

    /// The number of bytes.
    long bytes() {
        return bytes;
    }

    /// Ends the account.
    byte[] digest() {
        return digest.digest();
    }
}
