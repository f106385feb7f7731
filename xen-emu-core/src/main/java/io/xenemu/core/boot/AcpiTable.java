package io.xenemu.core.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/// One ACPI table under construction; this class fills in its 36-byte header (ACPI 6.5, 5.2.6).
final class AcpiTable {
    static final int HEADER_SIZE = 36;

    private static final int CHECKSUM = 9;
    private static final String OEM_ID = "XENEMU";
    private static final String OEM_TABLE_ID = "XENHVM  ";
    private static final String CREATOR_ID = "XEMU";

    private final ByteBuffer bytes;

    AcpiTable(String signature, int revision, int size) {
        bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(ascii(signature)).putInt(size).put((byte) revision).put((byte) 0);
        bytes.put(ascii(OEM_ID)).put(ascii(OEM_TABLE_ID)).putInt(1);
        bytes.put(ascii(CREATOR_ID)).putInt(1);
    }

    /// The body, positioned after the header; absolute positions count from the table's start.
    ByteBuffer body() {
        return bytes;
    }

    /// The finished table. Its bytes sum to 0 modulo 256.
    byte[] finish() {
        bytes.put(CHECKSUM, (byte) 0);
        bytes.put(CHECKSUM, checksum(bytes.array(), bytes.capacity()));
        return bytes.array();
    }

    /// The byte that makes the first `length` bytes sum to 0 modulo 256.
    static byte checksum(byte[] table, int length) {
        int sum = 0;
        for (int i = 0; i < length; i++) {
            sum += table[i];
        }
        return (byte) -sum;
    }

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
