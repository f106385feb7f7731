package io.xenemu.core.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/// `xen-emu completion`: what makes bash complete commands and options.
@Command(
        name = "completion",
        description =
                "Print what makes bash complete commands and options: source <(xen-emu completion).",
        mixinStandardHelpOptions = true)
final class CompletionCommand implements Callable<Integer> {
    @Override
    public Integer call() {
        System.out.print(script());
        return 0;
    }

    /// The script, from the parsers.
    static String script() {
        CommandLine program = XenEmu.commandLine("--version");
        for (Subcommand command : Subcommand.ALL) {
            program.addSubcommand(command.name(), XenEmu.parser(command.name()));
        }
        return AutoComplete.bash("xen-emu", program);
    }
}
