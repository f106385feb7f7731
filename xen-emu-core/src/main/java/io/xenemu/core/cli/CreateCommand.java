package io.xenemu.core.cli;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.control.ControlClient;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.GuestSettings;
import io.xenemu.core.hypervisor.HostException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IModelTransformer;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `xen-emu create`: as xl's, with a configuration file, or the options of `xen-emu run`, or both.
@Command(
        name = "create",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        modelTransformer = CreateCommand.Options.class)
final class CreateCommand implements Callable<Integer> {
    /// The guest's options, and xl's meaning of `-V`, which is the program's version in other commands.
    static final class Options implements IModelTransformer {
        private static final String VERSION = "--version";

        @Override
        public CommandSpec transform(CommandSpec command) {
            OptionSpec version = command.findOption(VERSION);
            OptionSpec viewer = command.findOption(VIEWER);
            command.remove(version);
            command.remove(viewer);
            command.addOption(viewer.toBuilder().names("-V", "-A", VIEWER).build());
            command.addOption(version.toBuilder().names(VERSION).build());
            return new GuestOptions().transform(command);
        }
    }

    private static final String VIEWER = "--vncviewer";

    @Mixin private ServiceOption service = new ServiceOption();

    @Spec private @Nullable CommandSpec spec;

    @Parameters(
            arity = "0..*",
            paramLabel = "FILE|NAME=VALUE",
            description = {
                "Configuration file of xl.cfg(5), and settings in its syntax that come after it: 'memory=512"
                        + "', 'name=\"web\"'. Options count before both."
            })
    private List<String> words = new ArrayList<>();

    @Option(
            names = {"-f", "--defconfig"},
            paramLabel = "FILE",
            description = "The configuration file.")
    private @Nullable String file;

    @Option(
            names = {"-p", "--paused"},
            description = "Leave the guest paused.")
    private boolean paused;

    @Option(
            names = {"-c", "--console"},
            description = "Connect to its console.")
    private boolean console;

    @Option(
            names = {"-q", "--quiet"},
            description = "No warnings; ignore settings that nobody knows, as xl does.")
    private boolean quiet;

    @Option(
            names = {"-n", "--dryrun"},
            description = "Print the settings, and start nothing.")
    private boolean dryRun;

    @Option(
            names = {"-F"},
            description = "Return when the guest has ended.")
    private boolean foreground;

    @Option(
            names = {"-e"},
            description = "Leave the guest as it ends: --on-poweroff preserve, and so on.")
    private boolean unwatched;

    @Option(names = VIEWER, description = "Refused: no viewer is started.")
    private boolean vnc;

    @Option(
            names = "--no-reboot",
            description = "End the guest when it reboots, too: --on-reboot destroy.")
    private boolean noReboot;

    @Override
    public Integer call() throws HostException, BootException {
        if (spec == null) {
            throw new IllegalStateException("not a parsed command");
        }
        if (vnc) {
            throw WrongUse.of(
                    spec, VIEWER + ": no viewer is started; --vnc serves a device model's screen");
        }
        GuestFile described = GuestFile.of(spec, file, words);
        GuestSettings settings;
        GuestRequest request;
        if (described == null) {
            settings = ends(GuestOptions.settings(spec, true));
            request = GuestOptions.request(spec, settings);
        } else {
            settings = ends(GuestOptions.overriding(spec, described.settings(quiet)));
            request = described.request(settings);
        }
        if (dryRun) {
            settings.words().forEach(System.out::println);
            return 0;
        }
        GuestOptions.check(spec, settings, request);
        ControlClient.create(service.path(), settings.absolute(), paused);
        String name = request.config().name();
        if (console) {
            ConsoleCommand.connect(ControlClient.console(service.path(), "pv", name));
        }
        if (foreground) {
            ConsoleCommand.awaitEnd(ControlClient.console(service.path(), "pv", name));
        }
        return 0;
    }

    private GuestSettings ends(GuestSettings settings) {
        GuestSettings kept = unwatched ? settings.preserved() : settings;
        return noReboot ? kept.withoutReboot() : kept;
    }
}
