package io.xenemu.core.cli;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/// The option with the folder for the decisions of migrations.
final class MigrationFolderOption {
    @Option(
            names = "--migration-folder",
            paramLabel = "PATH",
            defaultValue = "/var/lib/xen-emu/migrations",
            description =
                    "Where it is written down that another host runs a guest, until that host has confirmed it. On a disk "
                            + "that outlives the host's restart. Default: ${DEFAULT-VALUE}.")
    Path folder = Path.of("");
}
