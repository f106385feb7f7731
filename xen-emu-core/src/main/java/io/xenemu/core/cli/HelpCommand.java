package io.xenemu.core.cli;

import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu help`, as xl's.
@Command(
        name = "help",
        mixinStandardHelpOptions = true,
        description = "Show all commands, or the help of one.")
final class HelpCommand implements Callable<Integer> {
    @Option(names = "--long", description = "The manual page.")
    private boolean all;

    @Parameters(arity = "0..1", paramLabel = "COMMAND", description = "A command.")
    private @Nullable String command;

    @Override
    public Integer call() {
        if (all) {
            ManCommand.page().forEach(System.out::println);
            return 0;
        }
        if (command == null) {
            XenEmu.commandLine().usage(System.out);
            return 0;
        }
        String name = XenEmu.complete(command)[0];
        RefusedVerb refused = RefusedVerb.named(name);
        if (refused != null) {
            System.out.println(refused.line());
            return 0;
        }
        List<String> names = Subcommand.ALL.stream().map(Subcommand::name).toList();
        if (!names.contains(name)) {
            System.err.println(
                    Program.prefix() + "there is no command '%s'; see help".formatted(name));
            return CommandLine.ExitCode.USAGE;
        }
        XenEmu.parser(name).usage(System.out);
        return 0;
    }
}
