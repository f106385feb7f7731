package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu dump-core`, as xl's.
@Command(name = "dump-core")
final class DumpCoreCommand extends ServiceVerb {
    @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name or id.")
    private String domain = "";

    @Parameters(index = "1", paramLabel = "FILE", description = "On the service's host.")
    private Path file = Path.of("");

    @Option(
            names = {"-L", "--live"},
            description = "Do not pause the guest. Its memory changes while it is dumped.")
    private boolean live;

    @Override
    public Integer call() throws HostException {
        List<String> words =
                new ArrayList<>(List.of(verb(), domain, file.toAbsolutePath().toString()));
        if (live) {
            words.add("live");
        }
        return sendAndWait(words);
    }
}
