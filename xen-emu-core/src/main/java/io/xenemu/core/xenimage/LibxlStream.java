package io.xenemu.core.xenimage;

import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;

/// The stream of libxl, which has the image of libxc in it, and the state of a device model if there is one.
///
/// Source: docs/specs/libxl-migration-stream.pandoc of Xen.
final class LibxlStream {
    private static final long ID = 0x4c69_6278_6c46_6d74L;
    private static final int VERSION = 2;
    private static final int BIG_ENDIAN = 1;
    private static final int LEGACY = 1 << 1;

    private final ImageInput in;

    LibxlStream(ImageInput in) {
        this.in = in;
    }

    /// Reads the stream to its end.
    ///
    /// @param image read where its record is
    /// @throws WireException if it cannot be used
    void read(LibxcImage image) throws IOException {
        header();
        boolean hasImage = false;
        while (true) {
            int code = in.take(Integer.BYTES).getInt();
            int length = in.length();
            ByteBuffer body = in.body(length);
            if ((code & LibxcRecord.OPTIONAL) != 0) {
                continue;
            }
            LibxlRecord record = LibxlRecord.of(code);
            record.require();
            switch (record) {
                case END -> {
                    requireEmpty(record, body);
                    if (!hasImage) {
                        throw new WireException("record LIBXC_CONTEXT is missing");
                    }
                    return;
                }
                case LIBXC_CONTEXT -> {
                    requireEmpty(record, body);
                    if (hasImage) {
                        throw new WireException("record LIBXC_CONTEXT occurs twice");
                    }
                    hasImage = true;
                    image.read();
                }
                case EMULATOR_XENSTORE_DATA, EMULATOR_CONTEXT, CHECKPOINT_END, CHECKPOINT_STATE -> {
                    // Ignored, or refused already.
                }
            }
        }
    }

    private void header() throws IOException {
        ByteBuffer header = in.takeBigEndian(16);
        if (header.getLong() != ID) {
            throw new WireException("there is no stream of libxl in it");
        }
        int version = header.getInt();
        if (version != VERSION) {
            throw new WireException(
                    "its stream of libxl has version %s, which this program does not know"
                            .formatted(Integer.toUnsignedString(version)));
        }
        int options = header.getInt();
        if ((options & LEGACY) != 0) {
            throw new WireException("it was made from an image of Xen before 4.6");
        }
        if ((options & BIG_ENDIAN) != 0) {
            throw new WireException("its stream of libxl is big-endian");
        }
        if (options != 0) {
            throw new WireException(
                    "its stream of libxl has unknown options: %#x".formatted(options));
        }
    }

    private static void requireEmpty(LibxlRecord record, ByteBuffer body) throws WireException {
        if (body.hasRemaining()) {
            throw new WireException("record " + record + " is not empty");
        }
    }
}
