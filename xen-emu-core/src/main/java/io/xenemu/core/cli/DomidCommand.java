package io.xenemu.core.cli;

import io.xenemu.core.service.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu domid`, as xl's.
@Command(
        name = "domid",
        description = "Print the id of the domain that a guest is now.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class DomidCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(paramLabel = "DOMAIN", description = "Its name or id.")
    private String domain = "";

    @Override
    public Integer call() throws HostException {
        service.command("domid", domain);
        return 0;
    }
}
