package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.Signal;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// SIGTERM to a process that runs a guest in the foreground.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class TerminationTest {
    /// A run whose guest powers off when it reads a line, or never.
    static final class SlowGuest {
        private SlowGuest() {}

        public static void main(String[] args) throws InterruptedException, IOException {
            CountDownLatch end = new CountDownLatch(1);
            Termination termination = new Termination();
            termination.handle(() -> System.out.println("asked"));
            Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("at once")));
            System.out.println("running");
            if (System.in.read() < 0) {
                end.await();
            }
            System.exit(termination.isAsked() ? ExitCode.TERMINATED : ExitCode.POWEROFF);
        }
    }

    private static Process start() throws IOException {
        // A shell starts background jobs with SIGINT ignored, and children inherit that. A build
        // may be such a job.
        return new ProcessBuilder(
                        "env",
                        "--default-signal=INT",
                        ProcessHandle.current().info().command().orElseThrow(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        SlowGuest.class.getName())
                .redirectErrorStream(true)
                .start();
    }

    @Test
    void firstSigtermAsksAndTheProcessGoesOn() throws IOException, InterruptedException {
        Process run = start();
        try (BufferedReader lines = run.inputReader()) {
            assertEquals("running", lines.readLine());
            Signal.send(run, "TERM");
            assertEquals("asked", lines.readLine());
            run.outputWriter().append('\n').flush();
            assertEquals(ExitCode.TERMINATED, run.waitFor());
        } finally {
            run.destroyForcibly();
        }
    }

    @Test
    void secondSigtermEndsTheProcessByItsHooks() throws IOException, InterruptedException {
        Process run = start();
        try (BufferedReader lines = run.inputReader()) {
            assertEquals("running", lines.readLine());
            Signal.send(run, "TERM");
            assertEquals("asked", lines.readLine());
            Signal.send(run, "TERM");
            assertEquals("at once", lines.readLine());
            assertEquals(ExitCode.TERMINATED, run.waitFor());
        } finally {
            run.destroyForcibly();
        }
    }

    @Test
    void firstInterruptEndsTheProcess() throws IOException, InterruptedException {
        Process run = start();
        try (BufferedReader lines = run.inputReader()) {
            assertEquals("running", lines.readLine());
            Signal.send(run, "INT");
            assertEquals("at once", lines.readLine());
            assertEquals(ExitCode.INTERRUPTED, run.waitFor());
        } finally {
            run.destroyForcibly();
        }
    }
}
