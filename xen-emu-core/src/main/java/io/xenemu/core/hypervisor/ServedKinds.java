package io.xenemu.core.hypervisor;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.block.BlockKind;
import io.xenemu.core.backend.console.ConsoleKind;
import io.xenemu.core.backend.nbd.NbdOpener;
import io.xenemu.core.backend.net.NetKind;
import io.xenemu.core.backend.p9.P9Kind;
import java.util.List;

/// The kinds of devices that the service serves.
final class ServedKinds {
    private ServedKinds() {}

    /// One object of each kind, for one service.
    static List<BackendKind> of(MeterRegistry registry) {
        NbdOpener disks = new NbdOpener(registry);
        return List.of(
                new BlockKind(disks, disks::check, registry),
                new NetKind(registry),
                new P9Kind(registry),
                new ConsoleKind(registry));
    }
}
