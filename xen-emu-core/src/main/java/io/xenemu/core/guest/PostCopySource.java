package io.xenemu.core.guest;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.migration.PageSender;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A source after its decision, whose guest's other pages follow it: the guest stands still here, and its memory is
/// read. When the connection is lost, it waits for an operator, who lets it connect again, as often as needed. It
/// leaves when the destination runs the guest and has all pages.
final class PostCopySource {
    private static final Logger log = LoggerFactory.getLogger(PostCopySource.class);

    private final Hypervisor hypervisor;
    private final SaveParty.Member guest;
    private final DriverRequest order;
    private final DriverRequest.Migrate wanted;
    private final Migration migration;
    private final RamSource ram;
    private final long stopped;
    private final AtomicBoolean isDestroyed = new AtomicBoolean();
    private final AtomicBoolean hasRun = new AtomicBoolean();
    private long bytes;

    /// How it ends here.
    enum End {
        /// The destination has it all.
        LEFT,
        /// An operator has let it run here.
        STAYS,
        /// It was destroyed here, and the decision stands.
        DESTROYED
    }

    /// @param stopped when the guest was stopped, by the clock of [System#nanoTime]
    PostCopySource(
            Hypervisor hypervisor,
            SaveParty.Member guest,
            DriverRequest order,
            RamSource ram,
            long stopped) {
        this.hypervisor = hypervisor;
        this.guest = guest;
        this.order = order;
        this.ram = ram;
        this.stopped = stopped;
        wanted = order.migrate();
        migration = wanted.migration();
    }

    /// The bytes of the pages that have followed.
    long bytes() {
        return bytes;
    }

    private Domain domain() {
        return guest.domain();
    }

    /// Lets the guest go, and its pages follow.
    ///
    /// @param missing the pages
    End run(BitSet missing) {
        try (PageSender sender = new PageSender(ram, missing)) {
            migration.misses(sender::missing);
            End end = run(sender);
            bytes = sender.bytes();
            migration.misses(() -> 0);
            return end;
        }
    }

    private End run(PageSender sender) {
        MigrationLink link = wanted.link();
        CompletableFuture<String> _ = migration.follows();
        String lost = go(link);
        while (true) {
            if (lost.isEmpty()) {
                lost = serve(sender, link);
            }
            link.close();
            if (isDestroyed.get()) {
                return End.DESTROYED;
            }
            if (lost.isEmpty()) {
                return End.LEFT;
            }
            switch (ask(lost)) {
                case RECOVER -> {
                    link = migration.takeLink();
                    lost = "";
                }
                case RUN -> {
                    return End.STAYS;
                }
                case DESTROY -> {
                    return isDestroyed.get() ? End.DESTROYED : End.LEFT;
                }
            }
        }
    }

    private static String go(MigrationLink link) {
        try {
            link.send(new MigrationMessage.Go());
            return "";
        } catch (IOException e) {
            return IoReason.of(e);
        }
    }

    /// Sends pages.
    ///
    /// @return why not all have followed; empty if they have
    private String serve(PageSender sender, MigrationLink link) {
        guest.inbox()
                .cancelWith(() -> {
                    isDestroyed.set(true);
                    link.close();
                });
        try {
            PageSender.End end = sender.serve(link.channel(), new Heard());
            if (end.reason().isEmpty() || hasRun.get()) {
                log.info("{}: {}", domain(), end.reason().isEmpty() ? "all pages followed" : end);
                return "";
            }
            return migration.peer() + ": " + end.reason();
        } catch (IOException e) {
            return migration.peer() + ": " + IoReason.of(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "the service ends";
        }
    }

    private final class Heard implements PageSender.Listener {
        @Override
        public void takenOver() {
            log.info("{}: {} takes it over", domain(), migration.peer());
        }

        @Override
        public void running() {
            if (!hasRun.getAndSet(true)) {
                Duration time = Duration.ofNanos(System.nanoTime() - stopped);
                migration.runsElsewhere();
                migration.stoodStill(time);
                wanted.migrations().metrics().stoodStill(time);
            }
        }
    }

    /// Waits for an operator.
    private Migration.Resolution ask(String lost) {
        log.warn("{}: {}", domain(), paused(migration, lost));
        wanted.migrations().metrics().paused();
        CompletableFuture<Migration.Resolution> answer =
                migration.pause(
                        lost,
                        () ->
                                DiskReturn.claim(
                                        hypervisor.devices(), List.of(guest.domain()), false));
        guest.inbox()
                .cancelWith(() -> {
                    isDestroyed.set(true);
                    answer.cancel(false);
                });
        boolean _ = order.fail(new Refused(paused(migration, lost)));
        try {
            return answer.join();
        } catch (CancellationException e) {
            return Migration.Resolution.DESTROY;
        }
    }

    /// The line for an operator.
    static String paused(Migration migration, String lost) {
        return "%s is decided to run at %s, but its other pages do not follow: %s; see migrate-recover"
                .formatted(migration.guest(), migration.peer(), lost);
    }
}
