package io.xenemu.it.guest;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// The test guests and the floor VMM, built by gcc from `src/guest`.
///
/// @param folder where the binaries are
public record TestGuests(Path folder) {

    /// Builds them into a folder.
    ///
    /// @param module the folder of this Maven module
    /// @throws IOException with gcc's messages if the build fails, or if there is no gcc
    public static TestGuests build(Path module, Path folder)
            throws IOException, InterruptedException {
        Process build =
                new ProcessBuilder(module.resolve("src/guest/build").toString(), folder.toString())
                        .redirectErrorStream(true)
                        .start();
        String messages = new String(build.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (build.waitFor() != 0) {
            throw new IOException("src/guest/build: " + messages);
        }
        return new TestGuests(folder);
    }

    /// The guest that checks hypercalls.
    ///
    /// @param bits 32 or 64
    public Path hypercalls(int bits) {
        return folder.resolve("hypercalls" + bits + ".elf");
    }

    /// The guest that measures hypercalls.
    public Path bench() {
        return folder.resolve("bench.elf");
    }

    /// The guest that rings another one.
    public Path ring() {
        return folder.resolve("ring.elf");
    }

    /// The guest that does with grants what it is told.
    public Path share() {
        return folder.resolve("share.elf");
    }

    /// The guest that plays a role, hostile or good.
    public Path hostile() {
        return folder.resolve("hostile.elf");
    }

    /// The VMM that returns from every hypercall at once; a host program.
    public Path floor() {
        return folder.resolve("floor");
    }

    /// The exit loops with no service in them; a host program.
    public Path exits() {
        return folder.resolve("exits");
    }
}
