package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.Signal;
import io.xenemu.core.hypervisor.HostException;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Signals to a process that serves.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class DaemonProcessTest {
    /// A service that takes its time to end in order.
    static final class SlowService {
        private SlowService() {}

        public static void main(String[] args) throws HostException {
            CountDownLatch end = new CountDownLatch(1);
            int code =
                    DaemonProcess.run(
                            () -> {
                                System.out.println("serving");
                                await(end);
                            },
                            () -> System.out.println("asked"),
                            () -> {
                                System.out.println("at once");
                                if (args.length == 0) {
                                    end.countDown();
                                }
                            });
            System.exit(code);
        }

        private static void await(CountDownLatch end) {
            try {
                end.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private static Process start(String... arguments) throws IOException {
        ProcessBuilder builder =
                new ProcessBuilder(
                        "env",
                        "--default-signal=INT",
                        ProcessHandle.current().info().command().orElseThrow(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        SlowService.class.getName());
        builder.command().addAll(List.of(arguments));
        return builder.redirectErrorStream(true).start();
    }

    private static void awaitLine(BufferedReader lines, String expected) throws IOException {
        String line = lines.readLine();
        while (line != null && !line.equals(expected)) {
            line = lines.readLine();
        }
        assertEquals(expected, line);
    }

    @Test
    void firstSignalAsksAndTheSecondEndsAtOnce() throws IOException, InterruptedException {
        Process service = start();
        try (BufferedReader lines = service.inputReader()) {
            awaitLine(lines, "serving");
            Signal.send(service, "HUP");
            Signal.send(service, "TERM");
            awaitLine(lines, "asked");
            Signal.send(service, "INT");
            awaitLine(lines, "at once");
            assertEquals(0, service.waitFor());
        } finally {
            service.destroyForcibly();
        }
    }

    @Test
    void thirdSignalEndsAServiceThatHangs() throws IOException, InterruptedException {
        Process service = start("hang");
        try (BufferedReader lines = service.inputReader()) {
            awaitLine(lines, "serving");
            Signal.send(service, "TERM");
            awaitLine(lines, "asked");
            Signal.send(service, "TERM");
            awaitLine(lines, "at once");
            Signal.send(service, "TERM");
            assertEquals(ExitCode.TERMINATED, service.waitFor());
        } finally {
            service.destroyForcibly();
        }
    }
}
