package io.xenemu.core.backend.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.util.concurrent.Uninterruptibles;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;

/// Reads what a child process writes, so that it is never held up, and keeps the end of it.
final class ProcessOutput {
    /// Bytes that are kept.
    private static final int KEPT = 2048;

    /// For the last words of a process that has just ended.
    private static final Duration LAST_WORDS = Duration.ofSeconds(1);

    private final byte[] end = new byte[KEPT];
    private final Thread thread;
    private long total;

    private ProcessOutput(InputStream stream, String name) {
        thread = Thread.ofPlatform().name(name).daemon().start(() -> read(stream));
    }

    static ProcessOutput of(Process process, String name) {
        return new ProcessOutput(process.getInputStream(), name);
    }

    private void read(InputStream stream) {
        byte[] buffer = new byte[KEPT];
        try (stream) {
            for (int n = stream.read(buffer); n > 0; n = stream.read(buffer)) {
                keep(buffer, n);
            }
        } catch (IOException _) {
            // The process was killed.
        }
    }

    private synchronized void keep(byte[] buffer, int count) {
        for (int i = 0; i < count; i++) {
            end[(int) (total++ % KEPT)] = buffer[i];
        }
    }

    /// The last line that was written, without the program's name and without what could move a terminal's cursor.
    String lastLine() {
        Uninterruptibles.joinUninterruptibly(thread, LAST_WORDS);
        return kept().lines()
                .map(line -> line.replaceAll("\\p{Cntrl}", " ").strip())
                .filter(line -> !line.isEmpty())
                .reduce((_, second) -> second)
                .map(line -> line.replaceFirst("^qemu-nbd: ", ""))
                .map(line -> line.replaceFirst("^Failed to blk_new_open 'json:.*}}': ", ""))
                .orElse("it said nothing");
    }

    private synchronized String kept() {
        int count = (int) Math.min(total, KEPT);
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) {
            bytes[i] = end[(int) ((total - count + i) % KEPT)];
        }
        return new String(bytes, UTF_8);
    }
}
