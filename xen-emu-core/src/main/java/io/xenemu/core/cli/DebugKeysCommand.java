package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu debug-keys`, as xl's, and verbs that show the same of one guest.
@Command(
        name = "debug-keys",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class DebugKeysCommand implements Callable<Integer> {
    /// A verb that lists what a guest shares with others.
    @Command
    static final class OfDomain extends ServiceVerb {
        @Parameters(paramLabel = "DOMAIN", description = "Guest's name or domain id.")
        private String domain = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain));
        }
    }

    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(paramLabel = "KEYS", description = "Keys, a letter each, without blanks.")
    private String keys = "";

    @Override
    public Integer call() throws HostException {
        service.command("debug-keys", keys);
        return 0;
    }
}
