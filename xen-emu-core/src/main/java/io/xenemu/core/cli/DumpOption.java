package io.xenemu.core.cli;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/// The option with the folder for core dumps of stopped guests.
final class DumpOption {
    @Option(
            names = "--dump-folder",
            paramLabel = "PATH",
            defaultValue = "/var/lib/xen/dump",
            description =
                    "Where a guest's core is dumped, under its name, if that is to follow its end (--on-crash"
                            + " coredump-destroy). Default: ${DEFAULT-VALUE}.")
    Path folder = Path.of("");
}
