package io.xenemu.core.cli;

import io.xenemu.core.service.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu destroy`, as xl's.
@Command(
        name = "destroy",
        description = "End a guest at once. Its name is free when this returns.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class DestroyCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(paramLabel = "DOMAIN", description = "Its name or id.")
    private String domain = "";

    @Override
    public Integer call() throws HostException {
        service.command("destroy", domain);
        return 0;
    }
}
