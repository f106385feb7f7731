package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu debug-keys`, as xl's.
@Command(
        name = "debug-keys",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class DebugKeysCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(paramLabel = "KEYS", description = "Keys, a letter each, without blanks.")
    private String keys = "";

    @Override
    public Integer call() throws HostException {
        service.command("debug-keys", keys);
        return 0;
    }
}
