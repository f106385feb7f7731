package io.xenemu.core.guest;

import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.migration.UpdateMessage;
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

    /// The longest wait for the new process to serve its sockets.
    private static final Duration SERVING_LIMIT = Duration.ofSeconds(10);

    private final Hypervisor hypervisor;
    private final HostedGuests guests;
    private final ChangeGate changes;
    private final Path socket;
    private final Leaving leaving;

    /// What a process does whose guests have left.
    ///
    /// @param begin the new process has the guests. Clients that come from now on are for it, and get no answer here
    /// @param end the new process serves its sockets, and the clients of this one's consoles have all that was printed.
    ///     Ends this process, and does not return
    public record Leaving(Runnable begin, Runnable end) {}

    /// @param changes the commands that are not under way meanwhile
    /// @param socket the path of the socket for the new process, which only this user can use
    public LiveUpdates(
            Hypervisor hypervisor,
            HostedGuests guests,
            ChangeGate changes,
            Path socket,
            Leaving leaving) {
        this.hypervisor = hypervisor;
        this.guests = guests;
        this.changes = changes;
        this.socket = socket;
        this.leaving = leaving;
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
                UpdateLink link = new UpdateLink(next);
                new UpdateSource(hypervisor, guests, link, () -> leave(link)).run();
            }
        } catch (Refused e) {
            log.error("not upgraded, this version goes on: {}", e.reason());
        } catch (IOException e) {
            log.error("not upgraded, this version goes on: {}", IoReason.of(e));
        } finally {
            changes.open();
        }
    }

    private void leave(UpdateLink link) {
        leaving.begin().run();
        try {
            guests.endConsoles(CONSOLE_LIMIT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        awaitServing(link);
        leaving.end().run();
    }

    /// Waits until the new process is found at its sockets. If this one ended before, clients would find nobody.
    private static void awaitServing(UpdateLink link) {
        Thread limit =
                Thread.ofVirtual()
                        .start(() -> {
                            try {
                                Thread.sleep(SERVING_LIMIT);
                            } catch (InterruptedException e) {
                                return;
                            }
                            link.shutdown();
                        });
        try {
            if (!(link.receive().message() instanceof UpdateMessage.Serving)) {
                log.warn("an unexpected message of the new version");
            }
        } catch (IOException e) {
            log.warn("the new version does not serve its sockets in time: {}", IoReason.of(e));
        } finally {
            limit.interrupt();
        }
    }

    private @Nullable MessageSocket accept(MessageSocket.Listener listener) throws IOException {
        try (listener) {
            return listener.accept();
        } finally {
            Files.deleteIfExists(socket);
        }
    }
}
