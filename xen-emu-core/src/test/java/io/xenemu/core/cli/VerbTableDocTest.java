package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.control.Verb;
import io.xenemu.core.control.VerbArgument;
import io.xenemu.core.control.VerbTable;
import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/// The table of verbs, beside the command line and the documents.
final class VerbTableDocTest {
    /// The verbs of `shutdown --all` and `reboot --all`.
    private static final String ALL = "-all";

    /// Arguments that the command line has as options: those of a guest and its clones, `console --type` and `trace
    /// --filter`.
    private static final Set<String> OPTIONS =
            Set.of("setting", "kind", "filter", "clock", "copies", "name");

    /// The name of the subcommand that asks for a verb.
    private static String command(Verb verb) {
        String name = verb.name();
        return name.endsWith(ALL) ? name.substring(0, name.length() - ALL.length()) : name;
    }

    private static CommandSpec parser(String command) {
        return XenEmu.parser(command).getCommandSpec();
    }

    /// What no operator says, but `daemon --upgrade`.
    private static final String OF_THE_NEXT_VERSION = "upgrade begin";

    @Test
    void everyVerbHasASubcommandAndEverySubcommandAVerb() {
        Set<String> verbs = new TreeSet<>();
        VerbTable.ALL.forEach(verb -> verbs.add(command(verb)));
        Set<String> commands = new TreeSet<>(XenEmu.commandLine().getSubcommands().keySet());
        commands.removeAll(CommandLineDocTest.NO_VERBS);

        assertEquals(commands, verbs);
        assertEquals(
                VerbTable.ALL.size(), VerbTable.ALL.stream().map(Verb::name).distinct().count());
    }

    @Test
    void helpOfASubcommandIsThatOfItsVerb() {
        String all = words(XenEmu.commandLine().getUsageMessage(CommandLine.Help.Ansi.OFF));
        for (Verb verb : VerbTable.ALL) {
            if (!verb.name().endsWith(ALL)) {
                String own = XenEmu.parser(verb.name()).getUsageMessage(CommandLine.Help.Ansi.OFF);
                assertTrue(words(own).contains(words(verb.help())), own);
                int end = verb.help().indexOf('.');
                String first = verb.name() + verb.help().substring(0, end);
                assertTrue(all.contains(words(first)), all);
            }
        }
    }

    /// Lines are broken after commas, too.
    private static String words(String text) {
        return text.replaceAll("\\s", "");
    }

    @Test
    void subcommandsTakeTheArgumentsOfTheirVerbs() {
        for (Verb verb : VerbTable.ALL) {
            CommandSpec parser = parser(command(verb));
            Set<String> words = new HashSet<>();
            for (VerbArgument argument : verb.arguments()) {
                switch (argument.count()) {
                    case FLAG, WAIT ->
                            assertTrue(
                                    OF_THE_NEXT_VERSION.equals(verb.name() + " " + argument.name())
                                            || parser.findOption("--" + argument.name()) != null,
                                    verb.name() + " " + argument.name());
                    case ONE, OPTIONAL, SOME -> words.add(argument.name());
                    // Options and parameters of their own table; or words among other parameters.
                    case SETTINGS, NAMED -> {}
                }
            }
            words.removeAll(OPTIONS);
            Set<String> parameters =
                    parser.positionalParameters().stream()
                            .map(it -> it.paramLabel().toLowerCase(Locale.ROOT))
                            .map(label -> label.startsWith("nmi|") ? "trigger" : label)
                            .collect(Collectors.toCollection(HashSet::new));
            // The command reads the file, and sends its settings.
            parameters.remove("file|name=value");
            if (verb.name().endsWith(ALL)) {
                assertNotNull(parser.findOption("--all"));
                parameters.remove("domain");
            }
            assertEquals(words, parameters, verb.name());
        }
    }

    @Test
    void documentedRequestsAreThoseOfTheTable() throws IOException {
        List<List<String>> rows =
                VerbTable.ALL.stream()
                        .map(verb ->
                                List.of(verb.usage(), verb.help(), effect(verb), service(verb)))
                        .toList();

        assertEquals(rows, Document.read("xen-emu-core/docs/operations.md").table("requests", 4));
    }

    private static String effect(Verb verb) {
        return switch (verb.effect()) {
            case READS -> "reads";
            case CHANGES, CHANGES_SLOWLY -> "changes";
            case SESSION -> "session";
        };
    }

    private static String service(Verb verb) {
        return switch (verb.service()) {
            case ANY -> "any";
            case DAEMON -> "daemon";
        };
    }
}
