package io.xenemu.core.guest;

import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Hands a service over to its next version, which is another process of the same user on the same host.
public final class LiveUpdates {
    private static final Logger log = LoggerFactory.getLogger(LiveUpdates.class);

    /// The longest wait for the new process to connect.
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(30);

    /// The longest wait for readers of consoles, which get the rest of what was printed here.
    private static final Duration CONSOLE_LIMIT = Duration.ofSeconds(2);

    private final Hypervisor hypervisor;
    private final HostedGuests guests;
    private final ChangeGate changes;
    private final Path socket;
    private final Runnable left;

    /// @param changes the commands that are not under way meanwhile
    /// @param socket the path of the socket for the new process, which only this user can use
    /// @param left called when the new process runs the guests; it ends this process, and does not return
    public LiveUpdates(
            Hypervisor hypervisor,
            HostedGuests guests,
            ChangeGate changes,
            Path socket,
            Runnable left) {
        this.hypervisor = hypervisor;
        this.guests = guests;
        this.changes = changes;
        this.socket = socket;
        this.left = left;
    }

    /// What keeps the service from being handed over now; empty if nothing does.
    public List<String> blockers() {
        List<String> reasons = new ArrayList<>();
        List<String> commands = changes.underWay();
        if (!commands.isEmpty()) {
            reasons.add(ChangeGate.underWayReason(commands));
        }
        reasons.addAll(UpdateSource.blockers(hypervisor, guests));
        return reasons;
    }

    /// Begins to hand the service over to the process that connects next.
    ///
    /// @return the path where it connects
    /// @throws Refused with all that is against it; nothing has happened
    public Path begin() throws Refused {
        changes.close();
        boolean begun = false;
        try {
            List<String> reasons = UpdateSource.blockers(hypervisor, guests);
            if (!reasons.isEmpty()) {
                throw new Refused(String.join("\n", reasons));
            }
            // Of a service that was killed.
            Files.deleteIfExists(socket);
            MessageSocket.Listener listener = MessageSocket.Listener.bind(socket, CONNECT_LIMIT);
            Thread _ = Thread.ofPlatform().daemon().name("upgrade").start(() -> handOver(listener));
            begun = true;
            return socket;
        } catch (IOException e) {
            throw new Refused(IoReason.of(e));
        } finally {
            if (!begun) {
                changes.open();
            }
        }
    }

    private void handOver(MessageSocket.Listener listener) {
        try {
            MessageSocket next = accept(listener);
            if (next == null) {
                log.error("not upgraded: the new version has not connected");
            } else {
                new UpdateSource(hypervisor, guests, new UpdateLink(next), this::leave).run();
            }
        } catch (Refused e) {
            log.error("not upgraded, this version goes on: {}", e.reason());
        } catch (IOException e) {
            log.error("not upgraded, this version goes on: {}", IoReason.of(e));
        } finally {
            changes.open();
        }
    }

    private void leave() {
        try {
            guests.endConsoles(CONSOLE_LIMIT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        left.run();
    }

    private @Nullable MessageSocket accept(MessageSocket.Listener listener) throws IOException {
        try (listener) {
            return listener.accept();
        } finally {
            Files.deleteIfExists(socket);
        }
    }
}
