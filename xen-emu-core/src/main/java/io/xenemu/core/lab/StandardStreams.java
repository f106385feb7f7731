package io.xenemu.core.lab;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/// Wires a command in the lab to this process's own stdin, stdout and stderr.
final class StandardStreams {
    private static final int BUFFER_BYTES = 64 * 1024;

    private StandardStreams() {}

    /// Passes everything through until the command has ended and its output is written.
    ///
    /// @return its exit status
    static int connect(LabProcess process) throws InterruptedException {
        Thread out = copier("lab-stdout", process.getInputStream(), FileDescriptor.out);
        Thread err = copier("lab-stderr", process.getErrorStream(), FileDescriptor.err);
        // A daemon thread: it stays in read() when the command ends first.
        Thread.ofPlatform().name("lab-stdin").daemon().start(() -> feed(process.getOutputStream()));
        int status = process.waitFor();
        out.join();
        err.join();
        return status;
    }

    private static Thread copier(String name, InputStream from, FileDescriptor to) {
        return Thread.ofPlatform()
                .name(name)
                .daemon()
                .start(() -> {
                    try (from) {
                        copy(from, new FileOutputStream(to));
                    } catch (IOException e) {
                        // The machine or the reader is gone, as the exit status tells.
                        return;
                    }
                });
    }

    private static void feed(OutputStream to) {
        try (to) {
            copy(new FileInputStream(FileDescriptor.in), to);
        } catch (IOException e) {
            // The command does not read any more.
            return;
        }
    }

    private static void copy(InputStream from, OutputStream to) throws IOException {
        byte[] buffer = new byte[BUFFER_BYTES];
        for (int n = from.read(buffer); n >= 0; n = from.read(buffer)) {
            to.write(buffer, 0, n);
            to.flush();
        }
    }
}
