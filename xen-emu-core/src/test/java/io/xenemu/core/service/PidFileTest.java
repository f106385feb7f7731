package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.HostException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
final class PidFileTest {
    @TempDir private Path folder = Path.of("");

    private Path file() {
        return folder.resolve("pid");
    }

    private String complaint(Path file) {
        try (Resources open = new Resources()) {
            HostException e = assertThrows(HostException.class, () -> PidFile.lock(file, open));
            return String.valueOf(e.getMessage());
        }
    }

    @Test
    void leftoverFileIsTakenOverAndRemovedAtTheEnd() throws IOException, HostException {
        Files.writeString(file(), "99999999 of a process that was killed\n");
        try (Resources open = new Resources()) {
            PidFile.lock(file(), open).write();
            assertEquals(ProcessHandle.current().pid() + "\n", Files.readString(file()));
        }
        assertFalse(Files.exists(file()));
    }

    @Test
    void anotherProcessCannotTakeTheFile() throws IOException, InterruptedException {
        Process owner =
                new ProcessBuilder(
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                Owner.class.getName(),
                                file().toString())
                        .start();
        try (BufferedReader lines = owner.inputReader()) {
            assertEquals("locked", lines.readLine());
            assertEquals(
                    "--pid-file: " + file() + ": process " + owner.pid() + " has it",
                    complaint(file()));
            assertEquals(owner.pid() + "\n", Files.readString(file()));
        } finally {
            owner.destroyForcibly().waitFor();
        }
    }

    /// Another thread removes the file all the time, so it is there or not by turns.
    @Test
    void fileThatItsOwnerHasJustRemovedIsMadeAgain() throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        Thread owners =
                Thread.ofPlatform()
                        .start(() -> {
                            while (!done.get()) {
                                try {
                                    Files.deleteIfExists(file());
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            }
                        });
        try {
            for (int i = 0; i < 2000; i++) {
                try (Resources open = new Resources()) {
                    PidFile _ = PidFile.lock(file(), open);
                } catch (HostException e) {
                    // The other thread may be faster each time. Then the message says so.
                    assertTrue(
                            String.valueOf(e.getMessage())
                                    .endsWith("another process keeps removing it"),
                            e::toString);
                }
            }
        } finally {
            done.set(true);
            owners.join();
        }
    }

    @Test
    void danglingLinkIsReportedAsThat() throws IOException {
        Files.createSymbolicLink(file(), folder.resolve("nosuch").resolve("x"));
        assertTrue(complaint(file()).contains("dangling link"));
    }

    @Test
    void reasonOfAFailureIsReported() {
        assertEquals(
                "--pid-file: /nosuch/x: no such file or directory",
                complaint(Path.of("/nosuch/x")));
    }

    /// A daemon that has the file.
    static final class Owner {
        private Owner() {}

        public static void main(String[] args) throws IOException, HostException {
            try (Resources open = new Resources()) {
                PidFile.lock(Path.of(args[0]), open).write();
                System.out.println("locked");
                while (System.in.read() >= 0) {
                    System.out.println("still");
                }
            }
        }
    }
}
