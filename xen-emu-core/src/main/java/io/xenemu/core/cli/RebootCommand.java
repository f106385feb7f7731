package io.xenemu.core.cli;

import io.xenemu.core.service.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu reboot`, as xl's.
@Command(
        name = "reboot",
        description = "Ask a guest to reboot, by XenStore.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class RebootCommand implements Callable<Integer> {
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
            service.command("reboot", domain, "wait");
        } else {
            service.command("reboot", domain);
        }
        return 0;
    }
}
