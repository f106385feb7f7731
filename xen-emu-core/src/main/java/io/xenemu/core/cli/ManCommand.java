package io.xenemu.core.cli;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/// `xen-emu man`: the manual page.
@Command(
        name = "man",
        description = "Print the manual page, for man -l - or a folder of pages.",
        mixinStandardHelpOptions = true)
final class ManCommand implements Callable<Integer> {
    @Override
    public Integer call() {
        page().forEach(System.out::println);
        return 0;
    }

    /// The page's lines.
    static List<String> page() {
        List<CommandLine> commands =
                Subcommand.ALL.stream().map(it -> XenEmu.parser(it.name())).toList();
        return ManPage.of(XenEmu.commandLine("--help"), commands);
    }
}
