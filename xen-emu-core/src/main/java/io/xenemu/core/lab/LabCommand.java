package io.xenemu.core.lab;

import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;

/// `xen-emu lab`.
@Command(
        name = "lab",
        description = "The lab: an emulated machine whose KVM has Xen support.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {LabExecCommand.class, LabSetupCommand.class, HelpCommand.class})
public final class LabCommand {}
