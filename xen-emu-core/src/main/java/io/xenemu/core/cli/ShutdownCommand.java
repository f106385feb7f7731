package io.xenemu.core.cli;

import io.xenemu.core.service.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu shutdown`, as xl's.
@Command(
        name = "shutdown",
        description = "Ask a guest to power off, by XenStore.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class ShutdownCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Option(
            names = {"-w", "--wait"},
            description = "Wait until the domain has ended.")
    private boolean wait;

    @Parameters(paramLabel = "DOMAIN", description = "Its name or id.")
    private String domain = "";

    @Override
    public Integer call() throws HostException {
        if (wait) {
            service.command("shutdown", domain, "wait");
        } else {
            service.command("shutdown", domain);
        }
        return 0;
    }
}
