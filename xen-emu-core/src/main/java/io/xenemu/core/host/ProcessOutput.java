package io.xenemu.core.host;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.kvm.abi.IoReason;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/// Reads what a child process writes, so that it is never held up, and keeps the end of it.
public final class ProcessOutput {
    /// Bytes that are kept.
    private static final int KEPT = 2048;

    /// For the last words of a process that has just ended.
    private static final Duration LAST_WORDS = Duration.ofSeconds(1);

    private final byte[] end = new byte[KEPT];
    private final Thread thread;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private final Consumer<String> lines;
    private long total;

    private final CompletableFuture<Process> started = new CompletableFuture<>();

    private ProcessOutput(
            ProcessBuilder builder,
            String name,
            Function<Process, InputStream> stream,
            Consumer<String> lines) {
        this.lines = lines;
        thread = Thread.ofPlatform().name(name).daemon().unstarted(() -> run(builder, stream));
    }

    /// Starts a child, and reads its standard output, on a thread that lasts as long as the child: the kernel takes the
    /// end of the thread that has started a process for the end of its parent (`PR_SET_PDEATHSIG`).
    ///
    /// @param name of the thread
    /// @throws IOException if it cannot be started
    public static ProcessOutput start(ProcessBuilder builder, String name) throws IOException {
        return start(new ProcessOutput(builder, name, Process::getInputStream, _ -> {}));
    }

    /// As [#start], but reads its standard error, and leaves its standard output to the caller.
    ///
    /// @param lines gets each line, without what could move a terminal's cursor; a long one in parts
    public static ProcessOutput startWithErrors(
            ProcessBuilder builder, String name, Consumer<String> lines) throws IOException {
        return start(new ProcessOutput(builder, name, Process::getErrorStream, lines));
    }

    private static ProcessOutput start(ProcessOutput output) throws IOException {
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

    private void run(ProcessBuilder builder, Function<Process, InputStream> stream) {
        Process process;
        try {
            process = builder.start();
        } catch (IOException | RuntimeException e) {
            boolean _ = started.completeExceptionally(e);
            return;
        }
        boolean _ = started.complete(process);
        read(stream.apply(process));
        tellLine();
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
                tell(buffer, n);
            }
        } catch (IOException _) {
            // The process was killed.
        }
    }

    private void tell(byte[] buffer, int count) {
        for (int i = 0; i < count; i++) {
            if (buffer[i] == '\n' || line.size() == KEPT) {
                tellLine();
            }
            if (buffer[i] != '\n') {
                line.write(buffer[i]);
            }
        }
    }

    private void tellLine() {
        String text = printable(line.toString(UTF_8));
        line.reset();
        if (!text.isEmpty()) {
            lines.accept(text);
        }
    }

    private static String printable(String text) {
        return text.replaceAll("\\p{Cntrl}", " ").strip();
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
                .map(kept -> clean.apply(printable(kept)))
                .filter(kept -> !kept.isEmpty())
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
