package io.xenemu.core.host;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.util.concurrent.Uninterruptibles;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.function.UnaryOperator;

/// Reads what a child process writes, so that it is never held up, and keeps the end of it.
public final class ProcessOutput {
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

    /// Begins to read a child's standard output.
    ///
    /// @param name of the thread that reads
    public static ProcessOutput of(Process process, String name) {
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

    /// The last line that was written, without what could move a terminal's cursor.
    ///
    /// @param clean removes from a line what an operator does not need, such as the program's name; a line of which
    ///     nothing is left does not count
    public String lastLine(UnaryOperator<String> clean) {
        Uninterruptibles.joinUninterruptibly(thread, LAST_WORDS);
        return kept().lines()
                .map(line -> clean.apply(line.replaceAll("\\p{Cntrl}", " ").strip()))
                .filter(line -> !line.isEmpty())
                .reduce((_, second) -> second)
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
