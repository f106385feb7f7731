package io.xenemu.core.cli;

import com.google.common.base.Splitter;
import io.xenemu.core.control.ControlClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/// The manual page of `xen-emu`, from its parsers and the table of verbs, in the language of man(7).
final class ManPage {
    private static final Splitter LINES = Splitter.on('\n');

    /// The width for picocli, so large that it breaks no synopsis. man(1) does that, for the reader's terminal.
    private static final int ONE_LINE = 10_000;

    /// Options that every command has, and that the page shows once.
    private static final Set<String> COMMON = Set.of("-h", "-V");

    private final List<String> lines = new ArrayList<>();

    private ManPage() {}

    /// The page's lines.
    ///
    /// @param program the whole program
    /// @param commands the parser of each command, in the order of the page
    static List<String> of(CommandLine program, List<CommandLine> commands) {
        ManPage page = new ManPage();
        page.head(program.getCommandSpec());
        commands.forEach(command -> page.command(command, "xen-emu "));
        page.lines.add(".SH COMMON OPTIONS");
        program.getCommandSpec().options().stream().filter(ManPage::isCommon).forEach(page::option);
        page.lines.add(".SH SEE ALSO");
        page.text("xl(1), xl.cfg(5), xenstore-ls(1)");
        return List.copyOf(page.lines);
    }

    private void head(CommandSpec program) {
        lines.add(".TH XEN\\-EMU 1 \"\" \"xen\\-emu " + ControlClient.PROGRAM_VERSION + "\"");
        lines.add(".SH NAME");
        text("xen-emu - " + String.join(" ", program.usageMessage().description()));
        lines.add(".SH SYNOPSIS");
        text("xen-emu COMMAND [OPTION...] [ARGUMENT...]");
        lines.add(".SH COMMANDS");
    }

    private void command(CommandLine command, String parent) {
        CommandSpec spec = command.getCommandSpec();
        spec.usageMessage().width(ONE_LINE);
        // This also sets the texts of the table of verbs.
        CommandLine.Help help = command.getHelp();
        lines.add(".SS " + escaped(parent + spec.name()));
        for (String line : spec.usageMessage().description()) {
            text(line);
        }
        lines.add(".PP");
        text(help.synopsis(0).strip().replaceAll("\\s+", " "));
        spec.positionalParameters().stream().filter(it -> !it.hidden()).forEach(this::parameter);
        spec.options().stream().filter(it -> !it.hidden() && !isCommon(it)).forEach(this::option);
        Map<String, String> codes = spec.usageMessage().exitCodeList();
        if (!codes.isEmpty()) {
            lines.add(".PP");
            text("Exit codes:");
            codes.forEach((code, meaning) -> entry(code.strip(), new String[] {meaning}));
        }
        command.getSubcommands().values().stream()
                .filter(it -> !(it.getCommand() instanceof CommandLine.HelpCommand))
                .forEach(it -> command(it, parent + spec.name() + " "));
    }

    private static boolean isCommon(OptionSpec option) {
        return COMMON.contains(option.shortestName());
    }

    private void parameter(PositionalParamSpec parameter) {
        entry(parameter.paramLabel(), parameter.description());
    }

    private void option(OptionSpec option) {
        String names = String.join(", ", option.names());
        entry(takesValue(option) ? names + " " + option.paramLabel() : names, option.description());
    }

    private static boolean takesValue(ArgSpec option) {
        return option.arity().max() > 0;
    }

    private void entry(String head, String[] description) {
        lines.add(".TP");
        lines.add(".B " + escaped(head));
        for (String line : description) {
            text(line.replace("%%", "%"));
        }
    }

    private void text(String text) {
        LINES.split(text.replace("%n", "\n")).forEach(line -> lines.add(escaped(line)));
    }

    /// Escapes text, so that it is no request of man(7), and its hyphens are those of options.
    private static String escaped(String text) {
        String escaped = text.replace("\\", "\\e").replace("-", "\\-");
        return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
    }
}
