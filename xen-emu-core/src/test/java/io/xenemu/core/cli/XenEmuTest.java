package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.device.StandardOutput;
import io.xenemu.core.xenstore.XenstoreCommand;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/// The reports of an operator's mistakes: each is one line with the reason, without a stack trace.
final class XenEmuTest {
    private static final Pattern EXIT_CODE_LINE = Pattern.compile("(?m)^ +([0-9]+) +\\S.*$");

    @TempDir private Path folder = Path.of("");

    private static CapturedRun execute(List<String> arguments) {
        return CapturedRun.of(arguments.toArray(String[]::new));
    }

    static Stream<List<String>> wrongCommandLines() {
        return Stream.of(
                List.of(),
                List.of("--no-such-option"),
                List.of("no-such-command"),
                List.of("debug-keys"),
                List.of("run", "--kernel", "vmlinuz", "--on-crash", "rename-restart"),
                List.of("run", "--kernel", "vmlinuz", "--on-crash", "soft-reset"),
                List.of("sysrq"),
                List.of("sysrq", "web"),
                List.of("debug-keys", "q", "e"),
                List.of("trigger", "1"),
                List.of("shutdown"),
                List.of("shutdown", "-w"),
                List.of("shutdown", "-a", "web"),
                List.of("reboot", "web", "--all"),
                List.of("daemon", "--stop-timeout", "-1"),
                List.of("daemon", "--stop-timeout", "long"),
                List.of("trigger", "1", "nmi", "first"),
                List.of("block-attach", "web"),
                List.of("block-list"),
                List.of("block-detach", "web"),
                List.of("block-resize", "web"),
                List.of("block-detach", "web", "xvda", "xvdb"),
                List.of("network-attach", "web"),
                List.of("network-detach", "--force", "web", "0"),
                List.of("9pfs-attach", "web"),
                List.of("9pfs-list"),
                List.of("9pfs-detach", "web"),
                List.of("save", "web"),
                List.of("save", "web", "/f", "--checkpoint-every", "60"),
                List.of("save", "-c", "web", "/f", "--checkpoint-every", "0"),
                List.of("save", "-c", "-p", "web", "/f", "--checkpoint-every", "60"),
                List.of("save", "-c", "web", "-", "--checkpoint-every", "60"),
                List.of("run"),
                List.of("run", "--kernel"),
                run("--no-such-option"),
                run("--stop-timeout", "-1"),
                run("surplus"),
                run("--firmware", "pvgrub"),
                List.of("create", "--initrd", "i", "--disk", "/d,raw,xvda"),
                run("--control-group", "root"),
                run("--vcpus", "0"),
                run("--vcpus", "-1"),
                run("--vcpus", "129"),
                run("--vcpus", "many"),
                run("--memory", "lots"),
                run("--memory", "0"),
                run("--metrics", "nowhere"),
                run("--metrics", "localhost:70000"),
                run("--metrics", ":9100"),
                run("--xen-version", "4"),
                run("--console", "vga"),
                run("--evtchn", "3level"),
                run("--cpuid", "sse3=0"),
                run("--cpuid", "host,proccount=4"),
                run("--cpu-baseline", "/nonexistent"),
                run("--tsc-mode", "always_emulate"),
                run("--viridian", "relaxed"),
                run("--engines", "block"),
                run("--engine", "block:0,cpus=x"),
                run("--engine", "block:0", "--engine", "block:0"),
                List.of("daemon", "--engine", "disk:0"),
                List.of("engines", "web"),
                List.of("engines-list"),
                List.of("engines-set", "web"),
                List.of("cpu-policy", "--intersect"),
                List.of("cpu-policy", "host.cpu"),
                run("--max-event-channels", "1"),
                run("--max-event-channels", "all"),
                run("--lab", "sometimes"),
                run("--timeout", "0"),
                run("--timeout", "soon"),
                run("--name", ""),
                run("--name", "a/b"),
                run("--name", "3"),
                run("--name", "x".repeat(201)),
                run("--quota", "nodes"),
                run("--quota", "shoes=1"),
                run("-Q", "nodes=-1"),
                run("--quota-soft", "nodes=1"),
                List.of("xenstored", "--quota", "nodes=many"),
                List.of("xenstored", "-q", "memory"));
    }

    private static List<String> run(String... more) {
        return Stream.concat(Stream.of("run", "--kernel", "k", "--lab", "never"), Stream.of(more))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("wrongCommandLines")
    void wrongCommandLineIsExplainedInOneLine(List<String> arguments) {
        CapturedRun result = execute(arguments);

        assertEquals(ExitCode.USAGE, result.code(), result.toString());
        assertEquals(1, result.errors().size(), result.toString());
        assertTrue(
                result.errors()
                        .get(0)
                        .matches(
                                "xen-emu: .*; see xen-emu( run| create| cpu-policy| debug-keys| sysrq| trigger| xenstored| shutdown| reboot| daemon| save| engines[-a-z]*| (block|network|9pfs)-[a-z]+)? --help"),
                result.toString());
    }

    private void assertHostError(String expected, List<String> arguments) {
        CapturedRun result = execute(arguments);

        assertEquals(ExitCode.HOST_ERROR, result.code(), result.toString());
        assertEquals(1, result.errors().size(), result.toString());
        assertTrue(result.errors().get(0).startsWith("xen-emu: "), result.toString());
        assertTrue(result.errors().get(0).contains(expected), result.toString());
    }

    @Test
    void numbersAreCalledNumbers() {
        assertWrongNumber("32 bits", "trigger", "web", "nmi", "first");
        assertWrongNumber("32 bits", "run", "--kernel", "x", "--rtc-timeoffset", "99999999999");
        assertWrongNumber("64 bits", "trace", "web", "-n", "all");
        assertWrongNumber("64 bits", "run", "--kernel", "x", "--timeout", "1s");
    }

    private static void assertWrongNumber(String width, String... arguments) {
        CapturedRun result = execute(List.of(arguments));

        assertEquals(CommandLine.ExitCode.USAGE, result.code(), result.toString());
        assertEquals(1, result.errors().size(), result.toString());
        assertTrue(
                result.errors()
                        .getFirst()
                        .contains("' is not a whole number of " + width + "; see "),
                result.toString());
    }

    @Test
    void missingKernelFileIsExplainedInOneLine() {
        assertHostError(
                "no such file",
                List.of("run", "--lab", "never", "--kernel", folder.resolve("none").toString()));
    }

    @Test
    void serviceThatIsNotThereIsExplainedInOneLine() {
        String socket = folder.resolve("none").toString();

        assertHostError("no service at", List.of("debug-keys", "-s", socket, "q"));
        assertHostError("no service at", List.of("trigger", "--socket", socket, "1", "nmi"));
    }

    /// Nor is there a terminal in a test, as under cron.
    @Test
    void savesAndRestoresNeedNoTerminal() {
        String socket = folder.resolve("none").toString();

        assertHostError("no service at", List.of("save", "-s", socket, "web", "file"));
        assertHostError("no service at", List.of("save", "-s", socket, "web", "-"));
        assertHostError("no service at", List.of("restore", "-s", socket, "file"));
        assertHostError("no service at", List.of("restore", "-s", socket, "-"));
    }

    @Test
    void folderInsteadOfAKernelIsExplainedInOneLine() {
        assertHostError(
                "not a regular file",
                List.of("run", "--lab", "never", "--kernel", folder.toString()));
    }

    @Test
    void fileThatIsNoKernelIsExplainedInOneLine() throws IOException {
        Path file = Files.writeString(folder.resolve("text"), "not a kernel");

        assertHostError(
                file.toString(), List.of("run", "--lab", "never", "--kernel", file.toString()));
    }

    @Test
    void emptyFileIsExplainedInOneLine() throws IOException {
        Path file = Files.createFile(folder.resolve("empty"));

        assertHostError(
                file.toString(), List.of("run", "--lab", "never", "--kernel", file.toString()));
    }

    @Test
    void onlyTheSubcommandThatIsAskedForIsMade() {
        Set<String> all = XenEmu.commandLine().getSubcommands().keySet();
        assertEquals(Subcommand.ALL.size(), all.size());
        assertEquals(all, XenEmu.commandLine("--help", "run").getSubcommands().keySet());
        assertEquals(all, XenEmu.commandLine("rum").getSubcommands().keySet());
        assertEquals(Set.of(), XenEmu.commandLine("--version").getSubcommands().keySet());
        for (String name : all) {
            CommandLine line = XenEmu.commandLine(name, "list");
            assertEquals(Set.of(name), line.getSubcommands().keySet());
        }
        CommandLine store = XenEmu.commandLine("xenstore", "read").getSubcommands().get("xenstore");
        assertNotNull(store);
        assertEquals(Set.of("read"), store.getSubcommands().keySet());
    }

    /// The whole parser of each subcommand.
    private static List<CommandLine> allCommands() {
        return Subcommand.ALL.stream()
                .map(it -> XenEmu.commandLine(it.name()).getSubcommands().get(it.name()))
                .map(Objects::requireNonNull)
                .toList();
    }

    @Test
    void helpShowsSubcommandsAsTheirOwnParsersWould() {
        CommandLine whole = XenEmu.commandLine("--version"); // knows none yet
        for (CommandLine command : allCommands()) {
            // Reads the table of verbs.
            CommandLine.Help _ = command.getHelp();
            whole.addSubcommand(command.getCommandName(), command);
        }

        assertEquals(whole.getUsageMessage(), XenEmu.commandLine("--help").getUsageMessage());
        assertEquals(Subcommand.ALL.size(), allCommands().size());
    }

    @Test
    void subcommandsAreKnownByTheirOwnNames() {
        for (Subcommand subcommand : Subcommand.ALL) {
            assertEquals(subcommand.name(), XenEmu.parser(subcommand.name()).getCommandName());
            if (!isOfSeveral(subcommand)) {
                assertEquals(subcommand.name(), name(subcommand.type()));
            }
        }
        XenstoreCommand.SUBCOMMANDS.forEach((name, type) -> assertEquals(name, name(type)));
    }

    /// A class of several subcommands, or one that could be, has no name of its own.
    private static boolean isOfSeveral(Subcommand subcommand) {
        return name(subcommand.type()).equals(new CommandLine(new Unnamed()).getCommandName());
    }

    @CommandLine.Command
    private static final class Unnamed {}

    private static String name(Class<?> type) {
        return type.getAnnotation(CommandLine.Command.class).name();
    }

    /// A process of this program whose standard output is as the shell's `script` has it, with `"$@"` for the program.
    private static Process inShell(String script, String... command) throws IOException {
        List<String> all =
                new ArrayList<>(
                        List.of(
                                "sh",
                                "-c",
                                script,
                                "sh",
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                XenEmu.class.getName()));
        all.addAll(List.of(command));
        return new ProcessBuilder(all).start();
    }

    @ParameterizedTest
    @ValueSource(strings = {"--version", "--help"})
    @Timeout(60)
    void closedOutputEndsItWithoutAMessage(String option) throws IOException, InterruptedException {
        // The only reader has gone before the program starts; the program holds the writing end.
        String pipe = folder.resolve("pipe").toString();
        String script =
                "mkfifo "
                        + pipe
                        + "; true <"
                        + pipe
                        + " & exec 3>"
                        + pipe
                        + "; wait $!; exec \"$@\" >&3";
        Process process = inShell(script, option);
        String errors = process.errorReader().lines().collect(Collectors.joining("\n"));

        assertEquals(StandardOutput.BROKEN_PIPE, process.waitFor(), errors);
        assertEquals("", errors);
    }

    @Test
    void beginningOfAVerbIsEnoughIfNoOtherBeginsSo() {
        assertEquals("create", XenEmu.complete("cre", "x")[0]);
        assertEquals("console", XenEmu.complete("cons")[0]);
        assertEquals("xenstore", XenEmu.complete("xenstore")[0]);
        assertEquals("lsit", XenEmu.complete("lsit")[0]);
        assertEquals("--help", XenEmu.complete("--help")[0]);
        assertThrows(IllegalArgumentException.class, () -> XenEmu.complete("d"));
    }

    @Test
    void mistypedVerbOrOptionGetsASuggestion() {
        assertTrue(execute(List.of("lsit")).errors().getFirst().contains("did you mean list"));
        assertTrue(execute(List.of("shtudown", "web")).errors().getFirst().contains("shutdown"));
        assertFalse(execute(List.of("x")).errors().getFirst().contains("did you mean"));
        assertTrue(
                execute(run("--memroy", "1G"))
                        .errors()
                        .getFirst()
                        .contains("did you mean --memory"));
    }

    @Test
    void everyCommandHasHelp() {
        for (CommandLine command : allCommands()) {
            assertTrue(command.getCommandSpec().optionsMap().containsKey("--help"));
            for (CommandLine inner : command.getSubcommands().values()) {
                assertTrue(
                        inner.getCommandSpec().optionsMap().containsKey("--help"),
                        inner.getCommandName());
            }
        }
    }

    @Test
    void versionTellsJdkAndProtocol() {
        String version = String.join("\n", new ProgramVersion().getVersion());
        assertTrue(version.contains("commit "), version);
        assertTrue(version.contains("Java " + Runtime.version()), version);
        assertTrue(version.contains("control protocol 2"), version);
    }

    @Test
    void everyCommandTellsTheVersionOfTheProgram() {
        List<String> version = List.of(new ProgramVersion().getVersion());
        assertEquals(version, printed("--version"));
        for (CommandLine command : allCommands()) {
            String name = command.getCommandName();
            assertEquals(version, printed(name, "--version"));
            command.getSubcommands()
                    .forEach((inner, below) -> {
                        if (!below.getCommandSpec().helpCommand()) {
                            assertEquals(version, printed(name, inner, "--version"));
                        }
                    });
        }
    }

    private static List<String> printed(String... args) {
        StringWriter printed = new StringWriter();
        CommandLine line = XenEmu.commandLine(args).setOut(new PrintWriter(printed, true));
        assertEquals(0, line.execute(args), List.of(args).toString());
        return printed.toString().lines().toList();
    }

    @Test
    void outputThatCannotBeWrittenIsAFailure() throws IOException, InterruptedException {
        Process process = inShell("exec \"$@\" >/dev/full", "--version");
        String errors = process.errorReader().lines().collect(Collectors.joining("\n", "", "\n"));
        assertEquals(ExitCode.HOST_ERROR, process.waitFor());
        assertEquals("xen-emu: standard output cannot be written\n", errors);
    }

    @Test
    void helpListsEveryExitCode() throws IllegalAccessException {
        TreeSet<Integer> declared = new TreeSet<>();
        for (Field field : ExitCode.class.getFields()) {
            declared.add(field.getInt(null));
        }

        CommandLine run = XenEmu.commandLine("run").getSubcommands().get("run");
        assertNotNull(run);
        String help = run.getUsageMessage();
        String codes = help.substring(help.indexOf("Exit codes:"));
        TreeSet<Integer> listed =
                EXIT_CODE_LINE
                        .matcher(codes)
                        .results()
                        .map(line -> Integer.valueOf(line.group(1)))
                        .collect(Collectors.toCollection(TreeSet::new));

        assertFalse(declared.isEmpty());
        assertEquals(declared, listed);
    }
}
