package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// `xen-emu sysrq`, as xl's.
@Command(name = "sysrq")
final class SysrqCommand extends ServiceVerb {
    @Parameters(index = "0", paramLabel = "DOMAIN", description = "Guest's name or domain id.")
    private String domain = "";

    @Parameters(
            index = "1",
            paramLabel = "LETTER",
            description = "The key, such as s to write its disks, or t to show its tasks.")
    private String letter = "";

    @Override
    public Integer call() throws HostException {
        return send(List.of(domain, letter));
    }
}
