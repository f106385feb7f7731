package io.xenemu.core.xenstore;

import picocli.CommandLine.Command;

/// `xen-emu xenstore`.
@Command(
        name = "xenstore",
        description = {
            "Read and change a XenStore, as the Xen tools xenstore-ls, xenstore-read and so on do.",
            "The daemon is the one at XENSTORED_PATH, or else at socket in XENSTORED_RUNDIR, or at /run/xenstored/socket."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            LsCommand.class,
            ReadCommand.class,
            WriteCommand.class,
            RmCommand.class,
            ListCommand.class,
            ExistsCommand.class,
            ChmodCommand.class,
            WatchCommand.class,
            DumpCommand.class,
            RestoreCommand.class
        })
public final class XenstoreCommand {
    /// What the Xen tools exit with, whatever is wrong.
    static final int FAILED = 1;

    public XenstoreCommand() {}
}
