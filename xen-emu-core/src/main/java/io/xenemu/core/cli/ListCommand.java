package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu list`, as xl's but without domain 0, which is the service itself.
@Command(
        name = "list",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class ListCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(
            arity = "0..1",
            paramLabel = "DOMAIN",
            description = "Guest's name or domain id. Default: all guests.")
    private @Nullable String domain;

    @Override
    public Integer call() throws HostException {
        if (domain == null) {
            service.command("list");
        } else {
            service.command("list", domain);
        }
        return 0;
    }
}
