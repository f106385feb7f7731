package io.xenemu.core.cli;

import io.xenemu.core.lab.LabCommand;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/// The `xen-emu` command.
@Command(
        name = "xen-emu",
        description = "Runs unmodified Xen guests on KVM.",
        mixinStandardHelpOptions = true,
        subcommands = {LabCommand.class})
public final class XenEmu {
    private XenEmu() {}

    public static void main(String[] args) {
        System.exit(new CommandLine(new XenEmu()).execute(args));
    }
}
