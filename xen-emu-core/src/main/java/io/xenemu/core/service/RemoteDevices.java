package io.xenemu.core.service;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The processes that serve devices of guests, and raise their interrupts themselves. Each has a thread for its
/// messages.
final class RemoteDevices {
    private static final Logger log = LoggerFactory.getLogger(RemoteDevices.class);

    private final OperatedDomains domains;

    RemoteDevices(OperatedDomains domains) {
        this.domains = domains;
    }

    private Optional<Domain> find(int domid) {
        AtomicReference<Domain> found = new AtomicReference<>();
        domains.forEach(domain -> {
            if (domain.id().value() == domid) {
                found.set(domain);
            }
        });
        return Optional.ofNullable(found.get());
    }

    /// Serves a process until it has gone. Then nothing of it is left.
    ///
    /// @param socket closed at the end
    void serve(MessageSocket socket) {
        try (socket;
                RemoteProcess process = new RemoteProcess(socket, this::find)) {
            process.serve();
        } catch (IOException e) {
            log.warn("a process of remote devices is given up: {}", e.getMessage());
        }
    }
}
