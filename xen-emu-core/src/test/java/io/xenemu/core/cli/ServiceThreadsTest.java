package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ServiceThreadsTest {
    private static final long PATIENCE_SECONDS = 30;

    private record End(int code, String said) {}

    /// Runs the failure in a process of its own, which ends.
    private static End run(String thread, String failure) throws Exception {
        Process service =
                new ProcessBuilder(
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                FailingService.class.getName(),
                                thread,
                                failure)
                        .redirectErrorStream(true)
                        .start();
        try {
            assertTrue(service.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), "it goes on");
            byte[] said = service.getInputStream().readAllBytes();
            return new End(service.exitValue(), new String(said, StandardCharsets.UTF_8));
        } finally {
            service.destroyForcibly();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"platform", "virtual", "executor"})
    void fullHeapEndsTheServiceWithOneLine(String thread) throws Exception {
        assertEquals(
                new End(
                        1,
                        "xen-emu: out of memory (Java heap space) in thread listener: the service ends;"
                                + " XEN_EMU_JAVA_OPTS=-Xmx... allows more heap\n"),
                run(thread, "heap"));
    }

    @Test
    void bugInAServiceThreadEndsTheServiceAndPrintsThePlace() throws Exception {
        End end = run("platform", "bug");
        assertEquals(1, end.code);
        String line =
                "xen-emu: thread listener has failed: the service ends:"
                        + " java.lang.IllegalStateException: a bug\n";
        assertTrue(end.said.startsWith(line), end.said);
    }

    @Test
    void processEndsEvenIfItsMessageCannotBePrinted() {
        List<Integer> codes = new ArrayList<>();
        PrintStream broken =
                new PrintStream(OutputStream.nullOutputStream()) {
                    @Override
                    public void println(String line) {
                        throw new OutOfMemoryError("again");
                    }
                };
        ServiceThreads threads = new ServiceThreads(broken, codes::add);
        assertThrows(
                OutOfMemoryError.class,
                () ->
                        threads.uncaughtException(
                                Thread.currentThread(), new OutOfMemoryError("once")));
        assertEquals(List.of(1), codes);
    }
}
