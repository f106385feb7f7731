package io.xenemu.core.xenstore;

import com.google.common.collect.ImmutableMap;
import picocli.CommandLine.Command;

/// `xen-emu xenstore`.
@Command(
        name = "xenstore",
        description = {
            "Read and change a XenStore, as the Xen tools xenstore-ls, xenstore-read and so on do.",
            "The daemon's socket is $XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else /run/xenstored/socket."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND")
public final class XenstoreCommand {
    /// The subcommands by name, in the order of the help. The parser gets only the requested one.
    public static final ImmutableMap<String, Class<?>> SUBCOMMANDS =
            ImmutableMap.<String, Class<?>>builder()
                    .put("ls", LsCommand.class)
                    .put("read", ReadCommand.class)
                    .put("write", WriteCommand.class)
                    .put("rm", RmCommand.class)
                    .put("list", ListCommand.class)
                    .put("exists", ExistsCommand.class)
                    .put("chmod", ChmodCommand.class)
                    .put("watch", WatchCommand.class)
                    .put("dump", DumpCommand.class)
                    .put("restore", RestoreCommand.class)
                    .buildOrThrow();

    /// The exit code of the Xen tools for any failure.
    static final int FAILED = 1;

    public XenstoreCommand() {}
}
