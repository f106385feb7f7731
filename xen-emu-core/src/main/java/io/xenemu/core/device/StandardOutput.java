package io.xenemu.core.device;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/// Standard output of a command, and why it could not be written: `xen-emu --help | head -1` is no failure to tell of, a full
/// disk is.
public final class StandardOutput {
    /// The exit code when the reader has gone: 128 + SIGPIPE, as a program has it that the signal ends.
    public static final int BROKEN_PIPE = 141;

    private static final Path STDOUT = Path.of("/proc/self/fd/1");

    // S_IFMT, S_IFIFO and S_IFSOCK of stat(2).
    private static final int FILE_TYPE = 0xf000;
    private static final int PIPE = 0x1000;
    private static final int SOCKET = 0xc000;

    private StandardOutput() {}

    /// Whether something printed has not been written. Flushes.
    public static boolean failed() {
        return System.out.checkError();
    }

    /// Whether it [#failed] because nobody reads it any more. Only a pipe or a socket has a reader, and this is why a write to
    /// one fails; the text of the JDK's exception depends on the user's language.
    public static boolean readerHasGone() {
        if (!failed()) {
            return false;
        }
        try {
            int type = (int) Files.getAttribute(STDOUT, "unix:mode") & FILE_TYPE;
            return type == PIPE || type == SOCKET;
        } catch (IOException e) {
            return false; // it was closed from the beginning
        }
    }

    /// The same as a stream whose flush throws when it cannot be written.
    public static OutputStream stream() {
        return new OutputStream() {
            @Override
            public void write(int b) {
                System.out.write(b);
            }

            @Override
            public void write(byte[] bytes, int offset, int count) {
                System.out.write(bytes, offset, count);
            }

            @Override
            public void flush() throws IOException {
                if (failed()) {
                    throw new IOException("standard output cannot be written");
                }
            }
        };
    }
}
