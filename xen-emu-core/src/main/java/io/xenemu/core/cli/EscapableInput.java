package io.xenemu.core.cli;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/// Input that is typed at a console. Ctrl-] ends it.
final class EscapableInput extends FilterInputStream {
    private static final int ESCAPE = 0x1d;

    private boolean ended;

    EscapableInput(InputStream in) {
        super(in);
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
        int count = ended ? -1 : super.read(bytes, offset, length);
        for (int i = 0; i < count; i++) {
            if (bytes[offset + i] == ESCAPE) {
                ended = true;
                return i == 0 ? -1 : i;
            }
        }
        return count;
    }
}
