package io.xenemu.core.guest;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.DomainDevices;
import io.xenemu.core.toolstack.Refused;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The way back of a guest that stands still, and has given up its disks for a migration that fails before the
/// decision. It goes on only with its disks. As long as the other host has them, it waits: that host may not have
/// noticed yet that the connection is lost, or its operator may have let the other copy run.
///
/// @param devices of the service
/// @param guest that stands still
/// @param order is answered if it waits long
/// @param migration asks an operator then
record DiskReturn(
        DomainDevices devices, SaveParty.Member guest, DriverRequest order, Migration migration) {
    /// The time in which another host is expected to have given them up.
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private static final Duration LOOK_AGAIN = Duration.ofMillis(100);

    private static final Logger log = LoggerFactory.getLogger(DiskReturn.class);

    /// Claims the disks of a domain.
    ///
    /// @throws Refused if another has one of them, or has written to it
    static void claim(DomainDevices devices, Domain domain) throws Refused {
        try {
            devices.claim(domain);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Refused("interrupted while its disks were claimed");
        }
    }

    /// Waits until the guest has its disks.
    ///
    /// @return false if it ends instead: it was destroyed, or an operator has decided so
    boolean await() {
        boolean interrupted = Thread.interrupted();
        try {
            Optional<String> missing = attempt();
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (missing.isPresent()
                    && System.nanoTime() - deadline < 0
                    && !guest.inbox().isDestroyed()) {
                Uninterruptibles.sleepUninterruptibly(LOOK_AGAIN);
                missing = attempt();
            }
            if (missing.isEmpty()) {
                return true;
            }
            return !guest.inbox().isDestroyed() && ask(missing.get());
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /// @return the reason for which the disks are not there
    private Optional<String> attempt() {
        try {
            claim(devices, guest.domain());
            return Optional.empty();
        } catch (Refused e) {
            return Optional.of(e.reason());
        }
    }

    /// Goes on trying, and lets an operator end it.
    private boolean ask(String missing) {
        String why = "it goes on here as soon as it has its disks again: " + missing;
        log.warn("{}: not migrated, and stands still: {}", guest.domain(), why);
        CompletableFuture<Migration.Resolution> answer =
                migration.ask(why, () -> claim(devices, guest.domain()));
        guest.inbox().cancelWith(() -> answer.cancel(false));
        boolean _ = order.fail(new Refused(guest.name() + " has not moved; " + why));
        while (true) {
            try {
                return answer.get(LOOK_AGAIN.toNanos(), TimeUnit.NANOSECONDS)
                        == Migration.Resolution.RUN;
            } catch (TimeoutException e) {
                if (attempt().isEmpty()) {
                    return true;
                }
            } catch (CancellationException e) {
                return false;
            } catch (ExecutionException e) {
                throw new IllegalStateException("an answer that cannot fail", e);
            } catch (InterruptedException e) {
                // The end of the service destroys the guest.
                log.debug("{}: interrupted", guest.domain());
            }
        }
    }
}
