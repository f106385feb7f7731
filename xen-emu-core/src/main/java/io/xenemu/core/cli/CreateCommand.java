package io.xenemu.core.cli;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.control.ControlClient;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// `xen-emu create`: as xl's, with the options of `xen-emu run` in place of a configuration file.
@Command(
        name = "create",
        description = {
            "Start a guest in a running daemon.",
            "It is restarted when it reboots, and gone when it powers off or crashes."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class CreateCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();
    @Mixin private GuestOptions guest = new GuestOptions();

    @Option(
            names = {"-p", "--paused"},
            description = "Leave it paused.")
    private boolean paused;

    @Option(names = "--no-reboot", description = "Let it be gone when it reboots, too.")
    private boolean noReboot;

    @Override
    public Integer call() throws HostException, BootException {
        GuestRequest request = guest.request(!noReboot).absolute();
        request.check();
        ControlClient.create(service.path(), request, paused);
        return 0;
    }
}
