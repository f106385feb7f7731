package io.xenemu.kvm.testing;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Programs of other packages that tests start.
public final class Tool {
    /// Where administrators' programs are, which a user's PATH may lack.
    private static final List<String> MORE = List.of("/usr/bin", "/usr/sbin", "/sbin");

    private Tool() {}

    /// Finds a program; where it is missing the test is skipped, and says what to install.
    ///
    /// @param packages Debian's, in the words of `apt-get install`
    /// @return its path
    public static String need(String name, String packages) {
        String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
        return Stream.concat(Stream.of(path.split(":", -1)), MORE.stream())
                .filter(folder -> !folder.isEmpty())
                .map(folder -> Path.of(folder, name))
                .filter(Files::isExecutable)
                .findFirst()
                .map(Path::toString)
                .orElseGet(() -> abort("needs " + name + ": apt-get install " + packages));
    }

    /// Runs a program to its end. One that fails fails the test, with what it has said.
    ///
    /// @param command the program and its arguments
    /// @return what it has said, errors too
    public static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), UTF_8);
        assertEquals(0, process.waitFor(), () -> String.join(" ", command) + ": " + said);
        return said;
    }
}
