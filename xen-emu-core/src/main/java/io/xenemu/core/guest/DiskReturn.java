package io.xenemu.core.guest;

import com.google.common.util.concurrent.Uninterruptibles;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.DomainDevices;
import io.xenemu.core.toolstack.Refused;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The way back of guests that stand still, and have given up their disks for a migration that fails before the
/// decision. One goes on only with its disks, and those that move together only with all of theirs. As long as the
/// other host has them, they wait: that host may not have noticed yet that the connection is lost, or its operator may
/// have let the other copies run.
final class DiskReturn {
    /// The time in which another host is expected to have given them up.
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private static final Duration LOOK_AGAIN = Duration.ofMillis(100);

    /// Between two looks while an operator is asked. Each opens disks, and closes them again if one is missing.
    private static final Duration LOOK_AGAIN_SOMETIME = Duration.ofSeconds(1);

    private static final Logger log = LoggerFactory.getLogger(DiskReturn.class);

    private final DomainDevices devices;
    private final List<SaveParty.Member> guests;
    private final DriverRequest order;
    private final Migration migration;

    /// Held while disks are claimed, by the guests' driver or for an operator: neither gives up what the other has got.
    private final ReentrantLock claims = new ReentrantLock();

    @GuardedBy("claims")
    private boolean claimed;

    /// @param devices of the service
    /// @param guests that stand still
    /// @param order is answered if it waits long
    /// @param migration asks an operator then
    DiskReturn(
            DomainDevices devices,
            List<SaveParty.Member> guests,
            DriverRequest order,
            Migration migration) {
        this.devices = devices;
        this.guests = guests;
        this.order = order;
        this.migration = migration;
    }

    /// Claims the disks of domains: all of them, or none. A part of them would help nobody, and would keep the other
    /// host from having all.
    ///
    /// @param copies whether the content of disks goes with the guests: those have not been given up
    /// @throws Refused if another has one of them, or has written to it
    static void claim(DomainDevices devices, List<Domain> domains, boolean copies) throws Refused {
        boolean all = false;
        try {
            for (Domain domain : domains) {
                devices.claim(domain);
            }
            all = true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Refused("interrupted while its disks were claimed");
        } finally {
            if (!all) {
                release(devices, domains, copies);
            }
        }
    }

    private static void release(DomainDevices devices, List<Domain> domains, boolean copies) {
        for (Domain domain : domains) {
            try {
                devices.release(domain, copies);
            } catch (Refused e) {
                log.warn("{} keeps disks: {}", domain, e.reason());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                log.warn("{} keeps disks: interrupted", domain);
            }
        }
    }

    /// Waits until the guests have their disks.
    ///
    /// @return false if they end instead: they were destroyed, or an operator has decided so
    boolean await() {
        boolean interrupted = Thread.interrupted();
        try {
            Optional<String> missing = attempt();
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (missing.isPresent() && System.nanoTime() - deadline < 0 && !areDestroyed()) {
                Uninterruptibles.sleepUninterruptibly(LOOK_AGAIN);
                missing = attempt();
            }
            if (missing.isEmpty()) {
                return true;
            }
            return !areDestroyed() && ask(missing.get());
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private boolean areDestroyed() {
        return guests.stream().allMatch(guest -> guest.inbox().isDestroyed());
    }

    /// Claims the disks of those that are to go on.
    private void claim() throws Refused {
        claims.lock();
        try {
            if (!claimed) {
                claim(
                        devices,
                        guests.stream()
                                .filter(guest -> !guest.inbox().isDestroyed())
                                .map(SaveParty.Member::domain)
                                .toList(),
                        order.migrate().options().copiesStorage());
                claimed = true;
            }
        } finally {
            claims.unlock();
        }
    }

    /// @return the reason for which the disks are not there
    private Optional<String> attempt() {
        try {
            claim();
            return Optional.empty();
        } catch (Refused e) {
            return Optional.of(e.reason());
        }
    }

    /// Goes on trying, and lets an operator end it.
    private boolean ask(String missing) {
        boolean isOne = guests.size() == 1;
        String why =
                (isOne
                                ? "it goes on here as soon as it has its disks again: "
                                : "they go on here as soon as they have their disks again: ")
                        + missing;
        log.warn("{}: not migrated: {}", migration.guest(), why);
        CompletableFuture<Migration.Resolution> answer = migration.ask(why, this::claim);
        SaveParty.whenAllAreDestroyed(guests, () -> answer.cancel(false));
        boolean _ =
                order.fail(
                        new Refused(
                                migration.guest()
                                        + (isOne ? " has not moved; " : " have not moved; ")
                                        + why));
        while (true) {
            try {
                return answer.get(LOOK_AGAIN_SOMETIME.toNanos(), TimeUnit.NANOSECONDS)
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
                log.debug("{}: interrupted", migration.guest());
            }
        }
    }
}
