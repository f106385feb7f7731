package io.xenemu.core.startup;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.control.ControlSocket;
import io.xenemu.core.control.OperatedService;
import io.xenemu.core.control.VerbTable;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.guest.LiveUpdates;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.xenstore.quota.Quotas;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// A service on [TrainingDomains], with a control socket.
final class TrainingService implements AutoCloseable {
    private final Hypervisor hypervisor;
    private final HostedGuests guests;
    private final ControlSocket control;

    /// @param folder has its files; there is none yet
    TrainingService(Path folder) throws IOException {
        hypervisor =
                new Hypervisor(
                        TrainingDomains::new, new SimpleMeterRegistry(), Quotas.DEFAULT, List.of());
        guests =
                new HostedGuests(hypervisor, folder.resolve("dumps"), folder.resolve("migrations"));
        control =
                ControlSocket.open(
                        socket(folder),
                        null,
                        new VerbTable(
                                OperatedService.ofDaemon(
                                        hypervisor,
                                        guests,
                                        folder.resolve("upgrade"),
                                        new LiveUpdates.Leaving(() -> {}, () -> {}))));
    }

    /// The path of its control socket.
    static Path socket(Path folder) {
        return folder.resolve("control");
    }

    @Override
    public void close() throws IOException {
        control.close();
        guests.close();
        hypervisor.close();
    }
}
