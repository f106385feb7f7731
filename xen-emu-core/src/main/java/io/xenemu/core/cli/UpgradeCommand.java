package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.List;
import picocli.CommandLine.Command;

/// `xen-emu upgrade`: whether `daemon --upgrade` could take over.
@Command(name = "upgrade")
final class UpgradeCommand extends ServiceVerb {
    @Override
    public Integer call() throws HostException {
        return send(List.of());
    }
}
