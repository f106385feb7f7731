package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Runs one of the host's own tools (apt-get, dpkg-deb, busybox) to its end.
final class HostCommand {
    private HostCommand() {}

    /// The output of a tool.
    ///
    /// @param status its exit status
    /// @param output its standard output, a char for each byte
    /// @param errors its standard error
    record Result(int status, String output, String errors) {
        boolean succeeded() {
            return status == 0;
        }

        /// The most telling line of the errors, for a message.
        String lastError() {
            return errors.lines()
                    .filter(line -> !line.isBlank() && !line.startsWith("W:"))
                    .reduce((first, second) -> second)
                    .orElse("exit status " + status);
        }
    }

    /// Runs a tool with nothing on its standard input.
    ///
    /// @throws LabException when the tool does not exist
    static Result run(Path folder, List<String> command) throws IOException {
        Path errors = Files.createTempFile("xen-emu-", ".err");
        try {
            Process process =
                    new ProcessBuilder(command)
                            .directory(folder.toFile())
                            .redirectInput(Path.of("/dev/null").toFile())
                            .redirectError(errors.toFile())
                            .start();
            byte[] output = process.getInputStream().readAllBytes();
            return new Result(
                    process.waitFor(), new String(output, ISO_8859_1), Files.readString(errors));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new LabException("interrupted while " + command.getFirst() + " was running");
        } catch (IOException e) {
            throw new LabException("the lab needs " + command.getFirst() + " on this machine", e);
        } finally {
            Files.delete(errors);
        }
    }

    /// Runs a tool, and fails if it does.
    ///
    /// @return its standard output, a char for each byte
    /// @throws LabException when it does not
    static String output(Path folder, List<String> command) throws IOException {
        Result result = run(folder, command);
        if (!result.succeeded()) {
            throw new LabException(command.getFirst() + " failed: " + result.lastError());
        }
        return result.output();
    }
}
