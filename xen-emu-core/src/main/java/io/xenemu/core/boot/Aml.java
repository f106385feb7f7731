package io.xenemu.core.boot;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/// The few ACPI Machine Language encodings that our DSDT needs (ACPI specification 6.5, chapter 20). Each method
/// returns the bytes of one term; nested calls combine terms.
final class Aml {
    /// `Local0`, a variable of the method.
    static final byte[] LOCAL0 = op(0x60);

    private static final int NAME_OP = 0x08;
    private static final int BYTE_PREFIX = 0x0a;
    private static final int WORD_PREFIX = 0x0b;
    private static final int DWORD_PREFIX = 0x0c;
    private static final int STRING_PREFIX = 0x0d;
    private static final int SCOPE_OP = 0x10;
    private static final int BUFFER_OP = 0x11;
    private static final int PACKAGE_OP = 0x12;
    private static final int METHOD_OP = 0x14;
    private static final int EXT_OP = 0x5b;
    private static final int STORE_OP = 0x70;
    private static final int AND_OP = 0x7b;
    private static final int REGION_OP = 0x80;
    private static final int FIELD_OP = 0x81;
    private static final int DEVICE_OP = 0x82;
    private static final int NOTIFY_OP = 0x86;
    private static final int OR_OP = 0x91;
    private static final int IF_OP = 0xa0;
    private static final int RETURN_OP = 0xa4;
    private static final int NO_TARGET = 0;
    private static final int SERIALIZED = 1 << 3;
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

    /// An unsigned integer of 32 bits, in its shortest form.
    static byte[] integer(long value) {
        if (value < 0 || value > 0xffff_ffffL) {
            throw new IllegalArgumentException("not 32 bits: " + value);
        }
        if (value <= 1) {
            return op((int) value);
        }
        if (value <= 0xff) {
            return join(op(BYTE_PREFIX), op((int) value));
        }
        return value <= 0xffff
                ? join(op(WORD_PREFIX), littleEndian(value, 2))
                : join(op(DWORD_PREFIX), littleEndian(value, 4));
    }

    /// A string.
    static byte[] string(String text) {
        return join(op(STRING_PREFIX), AcpiTable.ascii(text), op(0));
    }

    /// `Method (name, arguments, Serialized) { terms }`.
    static byte[] method(String name, int arguments, byte[]... terms) {
        return join(
                op(METHOD_OP), sized(join(nameSeg(name), op(arguments | SERIALIZED), join(terms))));
    }

    /// `OperationRegion (name, space, offset, length)`.
    ///
    /// @param space 0 for memory, 1 for I/O ports
    static byte[] region(String name, int space, long offset, int length) {
        return join(
                op(EXT_OP),
                op(REGION_OP),
                nameSeg(name),
                op(space),
                integer(offset),
                integer(length));
    }

    /// `Field (region, access, NoLock, Preserve) { field, bits, ... }`: consecutive fields of one width.
    ///
    /// @param bits the width of each, at most 63
    /// @param access 1 for bytes, 3 for 32 bits
    static byte[] fields(String region, int access, int bits, String... fields) {
        byte[] list = new byte[0];
        for (String field : fields) {
            list = join(list, nameSeg(field), op(bits));
        }
        return join(op(EXT_OP), op(FIELD_OP), sized(join(nameSeg(region), op(access), list)));
    }

    /// `If (predicate) { terms }`.
    static byte[] when(byte[] predicate, byte[]... terms) {
        return join(op(IF_OP), sized(join(predicate, join(terms))));
    }

    /// `left & right`.
    static byte[] and(byte[] left, byte[] right) {
        return join(op(AND_OP), left, right, op(NO_TARGET));
    }

    /// `left || right`.
    static byte[] or(byte[] left, byte[] right) {
        return join(op(OR_OP), left, right);
    }

    /// `to = from`.
    static byte[] store(byte[] from, byte[] to) {
        return join(op(STORE_OP), from, to);
    }

    /// `Notify (name, value)`.
    static byte[] notify(String name, int value) {
        return join(op(NOTIFY_OP), nameSeg(name), integer(value));
    }

    /// `Return (value)`.
    static byte[] answer(byte[] value) {
        return join(op(RETURN_OP), value);
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

    /// A resource template. The end tag's checksum of 0 means "not computed" (ACPI chapter 6.4).
    static byte[] resources(byte[]... descriptors) {
        return buffer(join(join(descriptors), bytes(0x79, 0x00)));
    }

    /// The descriptor of a fixed range of I/O ports.
    static byte[] io(int port, int count) {
        return bytes(0x47, 0x01, port, port >> 8, port, port >> 8, 0x01, count);
    }

    /// The descriptor of an interrupt that is active high.
    static byte[] interrupt(int gsi, boolean edgeTriggered) {
        int flags = edgeTriggered ? 0x03 : 0x01;
        return bytes(0x89, 0x06, 0x00, flags, 0x01, gsi, gsi >> 8, 0x00, 0x00);
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

    /// A name's four characters. As a term it stands for the named object.
    static byte[] nameSeg(String name) {
        if (name.length() != 4) {
            throw new IllegalArgumentException("AML name of 4 characters: " + name);
        }
        return name.getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] littleEndian(long value, int size) {
        var bytes = new byte[size];
        for (int i = 0; i < size; i++) {
            bytes[i] = (byte) (value >> (8 * i));
        }
        return bytes;
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
