package io.xenemu.core.host;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
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

    private final CompletableFuture<Process> started = new CompletableFuture<>();

    private ProcessOutput(ProcessBuilder builder, String name) {
        thread = Thread.ofPlatform().name(name).daemon().unstarted(() -> run(builder));
    }

    /// Starts a child, and reads its standard output, on a thread that lasts as long as the child: the kernel takes the
    /// end of the thread that has started a process for the end of its parent (`PR_SET_PDEATHSIG`).
    ///
    /// @param name of the thread
    /// @throws IOException if it cannot be started
    public static ProcessOutput start(ProcessBuilder builder, String name) throws IOException {
        ProcessOutput output = new ProcessOutput(builder, name);
        output.thread.start();
        try {
            Process _ = Uninterruptibles.getUninterruptibly(output.started);
            return output;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException failure) {
                throw new IOException(IoReason.of(failure), e);
            }
            throw new IllegalStateException(e);
        }
    }

    private void run(ProcessBuilder builder) {
        Process process;
        try {
            process = builder.start();
        } catch (IOException | RuntimeException e) {
            boolean _ = started.completeExceptionally(e);
            return;
        }
        boolean _ = started.complete(process);
        read(process.getInputStream());
        Process _ = process.onExit().join();
    }

    /// The child.
    public Process process() {
        return started.join();
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
