package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu debug-keys`, as xl's.
@Command(
        name = "debug-keys",
        description = {
            "Send debug keys to a running service.",
            "e: tell the guests' event channels; q: tell the guests and raise VIRQ_DEBUG at all of their vCPUs; h: tell the keys."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class DebugKeysCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(paramLabel = "KEYS", description = "One letter each.")
    private String keys = "";

    @Override
    public Integer call() throws HostException {
        service.command("debug-keys", keys);
        return 0;
    }
}
