package io.xenemu.core.guest;

import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The end of a migration whose decision is on the disk: the destination runs the guests, which leave, or an operator
/// decides. By itself this side does not let them go on.
final class DecidedSource {
    /// The longest wait for the word that the guest runs.
    private static final Duration RUNNING_LIMIT = Duration.ofSeconds(60);

    private static final Logger log = LoggerFactory.getLogger(DecidedSource.class);

    private final Hypervisor hypervisor;
    private final List<SaveParty.Member> guests;
    private final DriverRequest order;
    private final DriverRequest.Migrate wanted;
    private final Migration migration;
    private final DestinationAnswers answers;
    private final StandStill still;
    private final long stopped;
    private long followed;

    /// @param order is answered if an operator has to decide
    /// @param still in which the guests are
    /// @param stopped when they were stopped, in `System.nanoTime()`
    DecidedSource(
            Hypervisor hypervisor,
            List<SaveParty.Member> guests,
            DriverRequest order,
            DestinationAnswers answers,
            StandStill still,
            long stopped) {
        this.hypervisor = hypervisor;
        this.guests = guests;
        this.order = order;
        wanted = order.migrate();
        migration = wanted.migration();
        this.answers = answers;
        this.still = still;
        this.stopped = stopped;
    }

    /// The bytes of pages that have followed a guest.
    long followed() {
        return followed;
    }

    /// Lets the destination run the guest. Whatever fails now, the guest does not go on here by itself.
    ///
    /// @param follow the pages that follow it
    /// @return whether the guests have left
    boolean go(BitSet follow) {
        try {
            return wanted.options().postCopy() ? follow(follow) : go();
        } catch (RuntimeException | Error e) {
            log.error("{}: this is a bug", migration.guest(), e);
            return ask("a bug of the service: " + e);
        }
    }

    /// Lets the destination run the guest, and its other pages follow.
    private boolean follow(BitSet pages) {
        PostCopySource follows =
                new PostCopySource(
                        hypervisor,
                        guests.getFirst(),
                        order,
                        RamSource.of(guests.getFirst().domain().memory()),
                        stopped);
        PostCopySource.End end = follows.run(pages);
        followed = follows.bytes();
        return switch (end) {
            case LEFT -> {
                leave();
                yield true;
            }
            case DESTROYED -> {
                leaveRecord();
                yield true;
            }
            case STAYS -> {
                stays();
                yield false;
            }
        };
    }

    private boolean go() {
        String unknown;
        try {
            wanted.link().send(new MigrationMessage.Go());
            if (answers.next(RUNNING_LIMIT) instanceof MigrationMessage.Running) {
                Duration time = Duration.ofNanos(System.nanoTime() - stopped);
                migration.stoodStill(time);
                wanted.migrations().metrics().stoodStill(time);
                leave();
                return true;
            }
            unknown = "the destination does not say that it runs the guest";
        } catch (IOException e) {
            unknown = migration.peer() + ": " + IoReason.of(e);
        } catch (Refused e) {
            unknown = e.reason();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            unknown = "the service ends";
        }
        return ask(unknown);
    }

    /// Lets an operator decide, while the guest stands still.
    private boolean ask(String unknown) {
        log.warn(
                "it is decided that {} runs {}, but not known whether it does: {}",
                migration.peer(),
                migration.guest(),
                unknown);
        wanted.migrations().metrics().undecided();
        CompletableFuture<Migration.Resolution> answer =
                migration.ask(
                        unknown,
                        () ->
                                DiskReturn.claim(
                                        hypervisor.devices(),
                                        guests.stream().map(SaveParty.Member::domain).toList(),
                                        wanted.options().copiesStorage()));
        SaveParty.whenAllAreDestroyed(guests, () -> answer.cancel(false));
        boolean _ =
                order.fail(
                        new Refused(
                                "it is decided that %s runs %s, but not known whether it does: %s; see migrate-status"
                                        .formatted(migration.peer(), migration.guest(), unknown)));
        Migration.Resolution resolution;
        try {
            resolution = answer.join();
        } catch (CancellationException e) {
            leaveRecord();
            return true;
        }
        if (resolution != Migration.Resolution.RUN) {
            leave();
            return true;
        }
        stays();
        return false;
    }

    /// The guest was destroyed here, or the service ends. The decision stands, and so does its record.
    private void leaveRecord() {
        leaveHere(still, guests);
        migration.leaveRecord();
    }

    /// An operator's decision has taken the place of the one that was written down.
    private void stays() {
        forget();
        migration.enter(MigrationPhase.FAILED, "an operator has let it run here");
    }

    /// The guests do not go on here.
    static void leaveHere(StandStill still, List<SaveParty.Member> guests) {
        still.leave();
        guests.forEach(guest -> guest.boot().leave());
    }

    private void leave() {
        leaveHere(still, guests);
        forget();
        migration.enter(MigrationPhase.DONE);
    }

    private void forget() {
        try {
            wanted.migrations().records().forget(migration.id());
        } catch (IOException e) {
            log.warn("the record of migration {} stays: {}", migration.id(), IoReason.of(e));
        }
    }
}
