package io.xenemu.core.cli;

import io.xenemu.core.service.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu unpause`, as xl's.
@Command(
        name = "unpause",
        description = "Take back one pause of a guest.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class UnpauseCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(paramLabel = "DOMAIN", description = "Its name or id.")
    private String domain = "";

    @Override
    public Integer call() throws HostException {
        service.command("unpause", domain);
        return 0;
    }
}
