package io.xenemu.core.device;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/// Standard output of a command, and the reason why it could not be written. A full disk is a failure to report; a
/// closed pipe is not, as in `xen-emu --help | head -1`.
public final class StandardOutput {
    /// The exit code if the reader has gone: 128 + SIGPIPE, as for a program that the signal ends.
    public static final int BROKEN_PIPE = 141;

    private static final Path STDOUT = Path.of("/proc/self/fd/1");

    // S_IFMT, S_IFIFO and S_IFSOCK of stat(2).
    private static final int FILE_TYPE = 0xf000;
    private static final int PIPE = 0x1000;
    private static final int SOCKET = 0xc000;

    private StandardOutput() {}

    /// Flushes the output, and returns whether some of it could not be written.
    public static boolean failed() {
        return System.out.checkError();
    }

    /// Whether the output [#failed] because its reader has gone. Only a pipe or a socket has a reader, and a write to
    /// one fails only for this reason. The JDK's exception is no help, since its text depends on the user's language.
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

    /// Standard output as a stream, whose flush throws if it cannot be written.
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
