package io.xenemu.core.cli;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.StandardOutput;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.lab.LabException;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/// The `xen-emu` command.
@Command(
        name = "xen-emu",
        description = "Runs unmodified Xen guests on KVM.",
        mixinStandardHelpOptions = true,
        versionProvider = ProgramVersion.class,
        synopsisSubcommandLabel = "COMMAND")
public final class XenEmu {
    private static final List<String> GLOBAL_OPTIONS = List.of("-v", "-f", "-t", "-T");

    private XenEmu() {}

    public static void main(String[] args) {
        int code = execute(args);
        if (args.length > 0 && Subcommand.onlyAsks(args[0])) {
            // Nothing is left to be done; an exit would make the JDK set up its own logging.
            Runtime.getRuntime().halt(code);
        }
        System.exit(code);
    }

    /// Runs one command line. This process goes on, unlike after [#main].
    ///
    /// @return the exit code
    public static int execute(String... given) {
        try {
            String[] args = complete(withoutGlobalOptions(given));
            RefusedVerb refused = args.length == 0 ? null : RefusedVerb.named(args[0]);
            if (refused != null) {
                System.err.println(Program.prefix() + refused.line());
                return ExitCode.HOST_ERROR;
            }
            LogSettings.apply(args.length == 0 ? "" : args[0]);
            ServiceThreads.watch(args);
            return written(commandLine(args).execute(args));
        } catch (IllegalArgumentException e) {
            System.err.println(Program.prefix() + e.getMessage());
            return ExitCode.USAGE;
        }
    }

    /// The exit code of a command after it has printed everything. If the reader has gone, the command ends without a
    /// message, like other programs.
    private static int written(int code) {
        if (StandardOutput.readerHasGone()) {
            return StandardOutput.BROKEN_PIPE;
        }
        if (StandardOutput.failed() && code == 0) {
            System.err.println(Program.prefix() + "standard output cannot be written");
            return ExitCode.HOST_ERROR;
        }
        return code;
    }

    /// The arguments without xl's global options, which stand before the verb. They make xl say more, ignore its lock
    /// of configurations, and show progress in another way. There is nothing of the kind here.
    static String[] withoutGlobalOptions(String... args) {
        int first = 0;
        while (first < args.length && GLOBAL_OPTIONS.contains(args[first])) {
            first++;
        }
        return Arrays.copyOfRange(args, first, args.length);
    }

    /// The arguments with the whole name of a subcommand that was given by its beginning, as under xl.
    ///
    /// @throws IllegalArgumentException if several begin so
    static String[] complete(String... args) {
        if (args.length == 0 || args[0].isEmpty() || args[0].startsWith("-")) {
            return args;
        }
        List<String> meant = meant(Subcommand.ALL.stream().map(Subcommand::name).toList(), args[0]);
        if (meant.isEmpty()) {
            meant = meant(RefusedVerb.names(), args[0]);
        }
        if (meant.isEmpty()) {
            return args;
        }
        if (meant.size() > 1) {
            throw new IllegalArgumentException(
                    "'"
                            + args[0]
                            + "' may be "
                            + String.join(", ", meant)
                            + "; see "
                            + Program.name()
                            + " --help");
        }
        String[] all = args.clone();
        all[0] = meant.getFirst();
        return all;
    }

    /// The name itself, or all names that begin so.
    private static List<String> meant(List<String> names, String given) {
        return names.contains(given)
                ? List.of(given)
                : names.stream().filter(it -> it.startsWith(given)).toList();
    }

    /// The parser, set up so that wrong input gives one line and no stack trace.
    ///
    /// @param args the words that it will parse. If they begin with a subcommand, it knows only that one. Otherwise it
    ///     knows all, but those that are not among the words only as far as the help's list needs. Picocli reads all
    ///     annotations of each fully known one.
    static CommandLine commandLine(String... args) {
        // Otherwise picocli looks for Groovy in every jar.
        System.setProperty("picocli.disable.closures", "true");
        CommandLine line = new CommandLine(new XenEmu()).setCommandName(Program.name());
        for (Subcommand subcommand : Subcommand.neededFor(args)) {
            line.addSubcommand(
                    List.of(args).contains(subcommand.name())
                            ? subcommand.parser(XenEmu::run, args)
                            : subcommand.outline());
        }
        line.getSubcommands().values().forEach(XenEmu::tellVersion);
        // picocli's own converter finds Path.of by reflection, for which the JVM makes four classes
        // at each start.
        line.registerConverter(Path.class, Path::of);
        line.registerConverter(int.class, XenEmu::number32);
        line.registerConverter(Integer.class, XenEmu::number32);
        line.registerConverter(long.class, XenEmu::number64);
        line.registerConverter(Long.class, XenEmu::number64);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExpandAtFiles(false); // @releaseDomain is no file
        line.setAbbreviatedSubcommandsAllowed(true); // below lab and xenstore
        line.setParameterExceptionHandler(XenEmu::wrongInput);
        line.setExecutionExceptionHandler((e, command, result) -> failed(e));
        return line;
    }

    /// The whole parser of one subcommand.
    static CommandLine parser(String subcommand) {
        return Objects.requireNonNull(commandLine(subcommand).getSubcommands().get(subcommand));
    }

    /// Makes a command and its subcommands print the program's version for `--version`.
    private static void tellVersion(CommandLine command) {
        command.getCommandSpec().versionProvider(new ProgramVersion());
        command.getSubcommands().values().forEach(XenEmu::tellVersion);
    }

    private static int run(List<String> arguments) {
        List<String> all = new ArrayList<>(List.of("run"));
        all.addAll(arguments);
        String[] args = all.toArray(String[]::new);
        return commandLine(args).execute(args);
    }

    private static Integer number32(String text) {
        try {
            return Integer.valueOf(text);
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'" + text + "' is not a whole number of 32 bits");
        }
    }

    private static Long number64(String text) {
        try {
            return Long.valueOf(text);
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'" + text + "' is not a whole number of 64 bits");
        }
    }

    private static int wrongInput(ParameterException e, String[] args) {
        System.err.printf(
                "%s%s%s; see %s --help%n",
                Program.prefix(),
                e.getMessage(),
                suggestion(e),
                e.getCommandLine().getCommandSpec().qualifiedName());
        return e.getCommandLine().getCommandSpec().exitCodeOnInvalidInput();
    }

    private static String suggestion(ParameterException e) {
        if (!(e instanceof UnmatchedArgumentException unmatched)
                || unmatched.getUnmatched().isEmpty()) {
            return "";
        }
        String given = unmatched.getUnmatched().getFirst();
        List<String> similar =
                given.startsWith("-")
                        ? unmatched.getSuggestions()
                        : Mistyped.similar(given, e.getCommandLine().getSubcommands().keySet());
        return similar.isEmpty() ? "" : " (did you mean " + String.join(", ", similar) + "?)";
    }

    private static int failed(Exception e) throws Exception {
        if (StandardOutput.readerHasGone()) {
            return StandardOutput.BROKEN_PIPE;
        }
        if (e instanceof HostException
                || e instanceof BootException
                || e instanceof KvmException
                || e instanceof LabException) {
            System.err.println(Program.prefix() + e.getMessage());
            return ExitCode.HOST_ERROR;
        }
        if (e instanceof IOException failure) {
            System.err.println(Program.prefix() + IoReason.of(failure));
            return ExitCode.HOST_ERROR;
        }
        throw e;
    }
}
