package io.xenemu.it.linux;

import io.xenemu.core.lab.GuestProgram;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/// The programs that run under Linux in a guest, built by gcc from `src/guest/linux`.
public final class GuestPrograms {
    private GuestPrograms() {}

    /// Builds them all.
    ///
    /// @param names of which ones the executables are wanted
    /// @throws IOException with gcc's messages if the build fails, or if there is no gcc
    public static List<GuestProgram> build(String... names)
            throws IOException, InterruptedException {
        Path module = Path.of("").toAbsolutePath();
        Path folder = module.resolve("target/guest-programs");
        Process build =
                new ProcessBuilder(
                                module.resolve("src/guest/linux/build").toString(),
                                folder.toString())
                        .redirectErrorStream(true)
                        .start();
        String messages = new String(build.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (build.waitFor() != 0) {
            throw new IOException("src/guest/linux/build: " + messages);
        }
        return Stream.of(names).map(name -> GuestProgram.of(folder.resolve(name))).toList();
    }
}
