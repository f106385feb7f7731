package io.xenemu.core.guest;

import io.xenemu.core.coredump.CoreDump;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The driver's part of core dumps of a guest's domains. The driver does nothing else during a dump, so that the domain
/// is not closed. A destroy ends the dump.
final class CoreDumps {
    private static final Logger log = LoggerFactory.getLogger(CoreDumps.class);

    private final GuestInbox inbox;
    private final Path folder;

    /// @param folder for the dumps that follow a stop; made when the first one is written
    CoreDumps(GuestInbox inbox, Path folder) {
        this.inbox = inbox;
        this.folder = folder;
    }

    /// Carries out an operator's request, and answers it.
    void carryOut(DriverRequest order, Domain domain) {
        Refused refused;
        try {
            refused = refusal(order.dump(), domain);
        } finally {
            // Before the answer, since the caller may then ask for the next dump at once.
            inbox.dumped();
        }
        if (refused == null) {
            order.done();
        } else {
            boolean _ = order.fail(refused);
        }
    }

    /// Dumps a domain.
    ///
    /// @return the reason for which it cannot be done, or null
    private @Nullable Refused refusal(DriverRequest.Dump wanted, Domain domain) {
        String name = domain.config().name();
        try {
            if (dump(wanted, domain)) {
                return null;
            }
            return inbox.isDestroyed()
                    ? Refusal.DESTROYED.of(name)
                    : new Refused("the dump of " + name + " was given up");
        } catch (IOException e) {
            return new Refused(wanted.file() + ": " + IoReason.withoutFile(e));
        } catch (StuckException e) {
            return new Refused(name + " cannot be paused: " + e.getMessage());
        }
    }

    private boolean dump(DriverRequest.Dump wanted, Domain domain) throws IOException {
        boolean paused = !wanted.live();
        if (paused) {
            domain.pause();
        }
        try {
            return write(domain, wanted.progress(), wanted.file());
        } finally {
            if (paused) {
                boolean _ = domain.unpause();
            }
        }
    }

    private boolean write(Domain domain, WorkProgress progress, Path file) throws IOException {
        return new CoreDump(domain, progress, inbox::isDestroyed).write(file);
    }

    /// Dumps a domain that has stopped into the folder, under the guest's name. Replaces an earlier dump of that name,
    /// as xl does, so that a guest which crashes again and again does not fill the disk. If the dump cannot be written,
    /// the log says so, and the guest goes on.
    void afterStop(Domain domain) {
        Path file = folder.resolve(domain.config().name());
        try {
            Files.createDirectories(folder);
            if (write(domain, new WorkProgress(), file)) {
                log.info("{}: its core is in {}", domain, file);
            }
        } catch (IOException e) {
            log.error("{}: no core dump: {}: {}", domain, file, IoReason.withoutFile(e));
        } catch (KvmException e) {
            log.error("{}: no core dump: {}", domain, e.getMessage());
        }
    }
}
