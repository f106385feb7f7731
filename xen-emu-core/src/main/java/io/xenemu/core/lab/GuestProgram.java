package io.xenemu.core.lab;

import com.google.common.base.Joiner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// An executable of this machine for a guest's `/bin`.
///
/// @param file the executable
/// @param libraryFolders where shared libraries are searched before this machine's own
public record GuestProgram(Path file, List<Path> libraryFolders) {
    /// The dynamic loader's path in the x86-64 ABI; every dynamic program names it.
    private static final String LOADER = "/lib64/ld-linux-x86-64.so.2";

    /// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fa606067000)`.
    private static final Pattern FOUND = Pattern.compile("\\s*(\\S+) => (/.+) \\(0x[0-9a-f]+\\)");

    private static final String LIBRARIES = "lib/x86_64-linux-gnu/";

    /// The C library loads it when a thread is cancelled. No program's dependencies name it.
    private static final Path UNWINDER = Path.of("/lib/x86_64-linux-gnu/libgcc_s.so.1");

    private static final Pattern MISSING = Pattern.compile("\\s*(\\S+) => not found");

    /// A program that needs at most this machine's own libraries.
    public static GuestProgram of(Path file) {
        return new GuestProgram(file, List.of());
    }

    /// A file for the guest.
    ///
    /// @param name its path there, without a leading slash
    /// @param content its path on this machine
    public record Entry(String name, Path content) {}

    /// The executable, and the dynamic loader with all libraries if it needs them.
    ///
    /// @throws LabException when a library is missing
    public List<Entry> entries() throws IOException {
        List<Entry> entries = new ArrayList<>();
        entries.add(new Entry("bin/" + file.getFileName(), file));
        if (isDynamic()) {
            entries.add(new Entry(LOADER.substring(1), Path.of(LOADER)));
            entries.addAll(libraries());
            if (Files.exists(UNWINDER)) {
                entries.add(new Entry(LIBRARIES + UNWINDER.getFileName(), UNWINDER));
            }
        }
        return entries;
    }

    private boolean isDynamic() throws IOException {
        return Files.exists(Path.of(LOADER)) && loader("--verify").succeeded();
    }

    private List<Entry> libraries() throws IOException {
        List<Entry> libraries = new ArrayList<>();
        HostCommand.Result list =
                loader("--library-path", Joiner.on(':').join(libraryFolders), "--list");
        for (String line : list.output().lines().toList()) {
            Matcher missing = MISSING.matcher(line);
            if (missing.matches()) {
                throw new LabException(file + " needs " + missing.group(1));
            }
            Matcher found = FOUND.matcher(line);
            if (found.matches()) {
                libraries.add(new Entry(LIBRARIES + found.group(1), Path.of(found.group(2))));
            }
        }
        if (!list.succeeded()) {
            throw new LabException(file + ": " + list.lastError());
        }
        return libraries;
    }

    private HostCommand.Result loader(String... options) throws IOException {
        List<String> command = new ArrayList<>(List.of(LOADER));
        command.addAll(List.of(options));
        command.add(file.toString());
        return HostCommand.run(Path.of("/"), command);
    }
}
