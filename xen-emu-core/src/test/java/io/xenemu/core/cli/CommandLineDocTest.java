package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.base.Splitter;
import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/// The documents' verbs, options and exit codes, compared with the command line's.
final class CommandLineDocTest {
    private static final String OPERATIONS = "xen-emu-core/docs/operations.md";

    private static final List<String> PAGES =
            List.of(
                    "README.md",
                    OPERATIONS,
                    "xen-emu-core/docs/devices.md",
                    "xen-emu-core/docs/hypercalls.md",
                    "xen-emu-core/docs/metrics.md",
                    "xen-emu-core/docs/web.md",
                    "xen-xenstore/docs/xenstored.md");

    private static final Pattern OPTION = Pattern.compile("(?<![\\w<!-])--[a-z][a-z-]+");
    private static final Pattern COMMAND = Pattern.compile("bin/xen-emu ([a-z-]+)");

    /// The separator of names in the first column of a table.
    private static final Splitter NAMES = Splitter.on(", ");

    /// Commands that no running service carries out, with sections of their own.
    static final Set<String> NO_VERBS =
            Set.of(
                    "run",
                    "daemon",
                    "xenstored",
                    "xenstore",
                    "cpu-policy",
                    "evacuate",
                    "inspect",
                    "page-server",
                    "web",
                    "lab",
                    "demo",
                    "man",
                    "completion",
                    "help",
                    "domname",
                    "vm-list",
                    "uptime",
                    "button-press",
                    "replay");

    private static void addOptions(CommandLine command, Set<String> options) {
        command.getCommandSpec()
                .options()
                .forEach(option -> options.addAll(List.of(option.names())));
        command.getSubcommands().values().forEach(sub -> addOptions(sub, options));
    }

    /// The parser of one command, with all below it.
    private static CommandLine parser(String command) {
        return XenEmu.parser(command);
    }

    private static Set<String> commands() {
        return XenEmu.commandLine().getSubcommands().keySet();
    }

    @Test
    void optionsThatPagesNameExist() throws IOException {
        Set<String> options = new TreeSet<>();
        commands().forEach(command -> addOptions(parser(command), options));
        // The suffix of the name of a guest that comes from another host.
        options.add("--incoming");
        for (String page : PAGES) {
            OPTION.matcher(Document.read(page).text())
                    .results()
                    .forEach(option ->
                            assertTrue(
                                    options.contains(option.group()),
                                    page + ": " + option.group()));
        }
    }

    @Test
    void commandsThatPagesShowExist() throws IOException {
        Set<String> commands = commands();
        for (String page : PAGES) {
            COMMAND.matcher(Document.read(page).text())
                    .results()
                    .forEach(command ->
                            assertTrue(
                                    commands.contains(command.group(1)),
                                    page + ": " + command.group()));
        }
    }

    @Test
    void tableOfExitCodesHasThoseOfTheHelp() throws IOException {
        Set<Integer> help = new TreeSet<>();
        parser("run")
                .getCommandSpec()
                .usageMessage()
                .exitCodeList()
                .keySet()
                .forEach(code -> help.add(Integer.parseInt(code.strip())));
        Set<Integer> documented = new TreeSet<>();
        for (List<String> row : Document.read(OPERATIONS).table("exit codes", 2)) {
            for (String code : NAMES.split(row.getFirst())) {
                documented.add(Integer.parseInt(code));
            }
        }

        assertEquals(help, documented);
    }
}
