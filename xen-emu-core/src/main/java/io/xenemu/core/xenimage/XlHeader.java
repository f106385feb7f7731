package io.xenemu.core.xenimage;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.util.Arrays;

/// The header that `xl save` writes before libxl's stream, with the guest's configuration.
///
/// Source: tools/xl/xl.h of Xen (`struct save_file_header`).
final class XlHeader {
    /// The first bytes of a file. Its last four are binary, so that a transfer as text would show.
    private static final byte[] MAGIC = "Xen saved domain, xl format\n \0 \r".getBytes(US_ASCII);

    /// The number of bytes that [#begins] needs.
    static final int MAGIC_BYTES = 32;

    private static final int BYTE_ORDER = 0x0102_0304;
    private static final int CONFIG_IS_JSON = 1;
    private static final int IS_STREAM_V2 = 1 << 1;
    private static final int MANDATORY = CONFIG_IS_JSON | IS_STREAM_V2;

    /// Many times as much as any configuration has.
    private static final int MAX_OPTIONAL = 1 << 20;

    private XlHeader() {}

    /// Whether a file with these first bytes is an image of xl.
    static boolean begins(byte[] first) {
        return first.length >= MAGIC_BYTES
                && Arrays.equals(first, 0, MAGIC_BYTES, MAGIC, 0, MAGIC_BYTES);
    }

    /// Reads the header.
    ///
    /// @return the configuration, as JSON
    /// @throws WireException if it is none, or that of an image which cannot be imported
    static String read(ImageInput in) throws IOException {
        byte[] magic = new byte[MAGIC_BYTES];
        in.take(magic.length).get(magic);
        if (!begins(magic)) {
            throw new WireException("it is no image of xl");
        }
        if (in.take(Integer.BYTES).getInt() != BYTE_ORDER) {
            throw new WireException("the image was saved on a machine of another byte order");
        }
        ByteBuffer flags = in.take(3 * Integer.BYTES);
        int mandatory = flags.getInt();
        int optional = flags.getInt();
        int length = flags.getInt();
        if ((mandatory & IS_STREAM_V2) == 0) {
            throw new WireException("it is an image of Xen before 4.6, in another format");
        }
        if ((mandatory & CONFIG_IS_JSON) == 0) {
            throw new WireException("the guest's configuration in it is not JSON");
        }
        if (mandatory != MANDATORY || optional != 0) {
            throw new WireException(
                    "xl's header has unknown flags: %#x, %#x".formatted(mandatory, optional));
        }
        if (length < Integer.BYTES || length > MAX_OPTIONAL) {
            throw new WireException(
                    "xl's header has %s bytes of data".formatted(Integer.toUnsignedString(length)));
        }
        return config(in.take(length));
    }

    private static String config(ByteBuffer data) throws WireException {
        int length = data.getInt();
        if (length < 0 || length > data.remaining()) {
            throw new WireException("the guest's configuration is longer than its header says");
        }
        byte[] json = new byte[length];
        data.get(json);
        // xl counts the byte that ends a text of C.
        int end = length > 0 && json[length - 1] == 0 ? length - 1 : length;
        try {
            return UTF_8.newDecoder().decode(ByteBuffer.wrap(json, 0, end)).toString();
        } catch (CharacterCodingException e) {
            throw new WireException("the guest's configuration is not UTF-8", e);
        }
    }
}
