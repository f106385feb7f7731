package io.xenemu.core.boot;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/// The few ACPI Machine Language encodings that our DSDT needs (ACPI specification 6.5, chapter 20). Each method
/// returns the bytes of one term; nested calls combine terms.
final class Aml {
    private static final int NAME_OP = 0x08;
    private static final int BYTE_PREFIX = 0x0a;
    private static final int DWORD_PREFIX = 0x0c;
    private static final int SCOPE_OP = 0x10;
    private static final int BUFFER_OP = 0x11;
    private static final int PACKAGE_OP = 0x12;
    private static final int EXT_OP = 0x5b;
    private static final int DEVICE_OP = 0x82;
    private static final int MAX_ONE_BYTE_LENGTH = 0x3f;
    private static final int MAX_TWO_BYTE_LENGTH = 0xfff;

    private Aml() {}

    /// `Scope (\name) { terms }`, for a name at the root.
    static byte[] rootScope(String name, byte[]... terms) {
        return join(op(SCOPE_OP), sized(join(op('\\'), nameSeg(name), join(terms))));
    }

    static byte[] device(String name, byte[]... terms) {
        return join(op(EXT_OP), op(DEVICE_OP), sized(join(nameSeg(name), join(terms))));
    }

    static byte[] name(String name, byte[] value) {
        return join(op(NAME_OP), nameSeg(name), value);
    }

    /// An integer of one byte.
    static byte[] integer(int value) {
        if (value < 0 || value > 0xff) {
            throw new IllegalArgumentException("not one byte: " + value);
        }
        return value <= 1 ? op(value) : join(op(BYTE_PREFIX), op(value));
    }

    /// `EisaId ("PNP0501")`: three letters of 5 bits and four hexadecimal digits, big endian.
    static byte[] eisaId(String id) {
        int letters = 0;
        for (char letter : id.substring(0, 3).toCharArray()) {
            letters = letters << 5 | letter - 0x40;
        }
        int digits = Integer.parseInt(id.substring(3), 16);
        return join(op(DWORD_PREFIX), op(letters >> 8), op(letters), op(digits >> 8), op(digits));
    }

    static byte[] buffer(byte[] content) {
        return join(op(BUFFER_OP), sized(join(integer(content.length), content)));
    }

    static byte[] packageOf(byte[]... elements) {
        return join(op(PACKAGE_OP), sized(join(op(elements.length), join(elements))));
    }

    /// A resource template: a fixed range of I/O ports, an edge-triggered active-high interrupt, and the end tag. Its
    /// checksum of 0 means "not computed" (ACPI chapter 6.4).
    static byte[] ioAndInterrupt(int port, int count, int gsi) {
        return join(
                bytes(0x47, 0x01, port, port >> 8, port, port >> 8, 0x01, count),
                bytes(0x89, 0x06, 0x00, 0x03, 0x01, gsi, gsi >> 8, 0x00, 0x00),
                bytes(0x79, 0x00));
    }

    static byte[] join(byte[]... parts) {
        var all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    /// Puts PkgLength, which counts itself, before the content.
    static byte[] sized(byte[] content) {
        if (content.length + 1 <= MAX_ONE_BYTE_LENGTH) {
            return join(op(content.length + 1), content);
        }
        int length = content.length + 2;
        if (length > MAX_TWO_BYTE_LENGTH) {
            throw new IllegalArgumentException("AML package of " + length + " bytes");
        }
        return join(op(1 << 6 | (length & 0xf)), op(length >> 4), content);
    }

    private static byte[] nameSeg(String name) {
        if (name.length() != 4) {
            throw new IllegalArgumentException("AML name of 4 characters: " + name);
        }
        return name.getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] op(int value) {
        return bytes(value);
    }

    private static byte[] bytes(int... values) {
        var bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }
}
