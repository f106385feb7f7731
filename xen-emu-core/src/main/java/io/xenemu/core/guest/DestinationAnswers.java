package io.xenemu.core.guest;

import io.xenemu.core.migration.BackChannel;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What the destination of a migration says to its source.
final class DestinationAnswers {
    /// The time for a destination that has ended the connection to have said why.
    private static final Duration REASON_LIMIT = Duration.ofSeconds(2);

    private static final Logger log = LoggerFactory.getLogger(DestinationAnswers.class);

    private final Migration migration;
    private @Nullable BackChannel back;

    DestinationAnswers(Migration migration) {
        this.migration = migration;
    }

    /// Begins to listen.
    ///
    /// @param endsWhenReady whether pages follow what the destination says when it is ready
    void listen(MigrationLink link, boolean endsWhenReady) {
        back = BackChannel.of(link, endsWhenReady);
    }

    /// Waits for the next answer.
    ///
    /// @throws Refused with the reason of a destination that refuses
    MigrationMessage next(Duration limit) throws IOException, InterruptedException, Refused {
        BackChannel answers = back;
        if (answers == null) {
            throw new IllegalStateException("nothing was asked");
        }
        MigrationMessage message = answers.next(limit);
        if (message instanceof MigrationMessage.Refuse refuse) {
            throw new Refused(migration.peer() + ": " + refuse.reason());
        }
        return message;
    }

    /// Waits until the destination has a round's disks on its storage.
    ///
    /// @param guests the number of those of which disks are copied
    /// @param limit for each guest
    void awaitStored(int round, long guests, Duration limit)
            throws IOException, Refused, InterruptedException {
        for (long left = guests; left > 0; left--) {
            if (!next(limit).equals(new MigrationMessage.Stored(round))) {
                throw new IOException("the destination does not say that it has stored the disks");
            }
        }
    }

    /// The reason of a failure, as the destination tells it if it does.
    String reason(IOException e) {
        BackChannel answers = back;
        try {
            // What has come before it was not waited for.
            long end = System.nanoTime() + REASON_LIMIT.toNanos();
            while (answers != null && System.nanoTime() - end < 0) {
                if (answers.next(REASON_LIMIT) instanceof MigrationMessage.Refuse refuse) {
                    return migration.peer() + ": " + refuse.reason();
                }
            }
        } catch (IOException lost) {
            log.debug("{}: no reason came: {}", migration.guest(), lost.toString());
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        return migration.peer() + ": " + IoReason.of(e);
    }
}
