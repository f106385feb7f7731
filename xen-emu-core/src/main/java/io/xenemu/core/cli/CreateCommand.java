package io.xenemu.core.cli;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.control.ControlClient;
import io.xenemu.core.guest.GuestSettings;
import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// `xen-emu create`: as xl's, with the options of `xen-emu run` instead of a configuration file.
@Command(
        name = "create",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        modelTransformer = GuestOptions.class)
final class CreateCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Spec private @Nullable CommandSpec spec;

    @Option(
            names = {"-p", "--paused"},
            description = "Leave the guest paused.")
    private boolean paused;

    @Option(
            names = "--no-reboot",
            description = "End the guest when it reboots, too: --on-reboot destroy.")
    private boolean noReboot;

    @Override
    public Integer call() throws HostException, BootException {
        if (spec == null) {
            throw new IllegalStateException("not a parsed command");
        }
        GuestSettings settings = GuestOptions.settings(spec, !noReboot);
        GuestOptions.request(spec, settings).check();
        ControlClient.create(service.path(), settings.absolute(), paused);
        return 0;
    }
}
