package io.xenemu.core.guest;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.control.ControlSocket;
import io.xenemu.core.control.OperatedService;
import io.xenemu.core.control.VerbTable;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/// A daemon on fake VMs, with a control socket and a folder for the records of its migrations.
public final class FakeDaemon implements AutoCloseable {
    final FakeHypervisor fake;
    final HostedGuests guests;
    private final ControlSocket socket;

    /// @param folder for its socket, which has its name, and for what belongs to it
    /// @param kinds the devices that it serves
    public FakeDaemon(Path folder, String name, BackendKind... kinds) throws IOException {
        fake = new FakeHypervisor(kinds);
        guests = new HostedGuests(fake.hypervisor, Path.of("/nonexistent"), records(folder, name));
        socket =
                ControlSocket.open(
                        folder.resolve(name),
                        null,
                        new VerbTable(
                                OperatedService.ofDaemon(
                                        fake.hypervisor,
                                        guests,
                                        folder.resolve(name + ".upgrade"),
                                        new LiveUpdates.Leaving(() -> {}, () -> {}))));
    }

    /// Starts the guest `web`, without devices.
    ///
    /// @param memory in bytes
    /// @return its RAM
    public MemorySegment create(Path kernel, long memory) throws Exception {
        guests.create(WebGuest.request(kernel, memory), false);
        return fake.next().memory().ram();
    }

    /// The folder of a daemon's records.
    static Path records(Path folder, String name) {
        return folder.resolve(name + "-records");
    }

    @Override
    public void close() throws IOException {
        socket.close();
        guests.close();
        fake.close();
    }
}
