package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.hypervisor.MigrationMetrics;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The migrations of a service, in both directions: those that last, the last ones that are over, and the decisions
/// that wait for an operator.
public final class Migrations {
    private static final Logger log = LoggerFactory.getLogger(Migrations.class);

    /// Migrations that are over and stay in the list: more than an operator looks at.
    private static final int MAX_OVER = 16;

    private final MigrationRecords records;
    private final MigrationMetrics metrics;

    /// The oldest first.
    @GuardedBy("this")
    private final Deque<Migration> all = new ArrayDeque<>();

    /// @param folder for the records of decisions, which may not be there yet
    Migrations(Path folder, MigrationMetrics metrics) {
        records = new MigrationRecords(folder);
        this.metrics = metrics;
    }

    /// Further connections that are to come.
    @GuardedBy("this")
    private final List<JoiningStreams> joining = new ArrayList<>();

    /// Expects further connections.
    synchronized void expect(JoiningStreams streams) {
        joining.add(streams);
    }

    /// Expects them no more.
    synchronized void expectNot(JoiningStreams streams) {
        joining.remove(streams);
    }

    /// Who expects a further connection with this token; null if nobody does.
    synchronized @Nullable JoiningStreams joining(UUID token) {
        for (JoiningStreams streams : joining) {
            if (streams.token().equals(token)) {
                return streams;
            }
        }
        return null;
    }

    /// Adds the decisions that an earlier service has left open. That service writes none any more.
    synchronized void addLeft() {
        try {
            all.addAll(records.left());
        } catch (IOException e) {
            log.warn("the records of migrations cannot be read: {}", e.toString());
        }
    }

    MigrationRecords records() {
        return records;
    }

    MigrationMetrics metrics() {
        return metrics;
    }

    /// Adds a migration that begins.
    ///
    /// @param guests that move together
    synchronized Migration begin(
            UUID id, Migration.Direction direction, List<String> guests, String peer) {
        Migration migration = new Migration(id, direction, guests, peer);
        all.add(migration);
        List<Migration> over = all.stream().filter(one -> one.phase().isOver()).toList();
        if (over.size() > MAX_OVER) {
            all.remove(over.getFirst());
        }
        return migration;
    }

    private synchronized List<Migration> copy() {
        return new ArrayList<>(all);
    }

    /// All that are known, the oldest first.
    public List<Migration.Status> list() {
        return copy().stream().map(Migration::status).toList();
    }

    /// Decides what becomes of this side's copy of a guest, where the other side's is not known.
    ///
    /// @param guest its name, with or without the suffix of one that comes
    /// @throws Refused if there is nothing to decide
    public void resolve(String guest, Migration.Resolution answer) throws Refused {
        String name =
                guest.endsWith(MigrationTarget.SUFFIX)
                        ? guest.substring(0, guest.length() - MigrationTarget.SUFFIX.length())
                        : guest;
        for (Migration migration : copy().reversed()) {
            if (migration.has(name) && migration.phase().isOpen()) {
                resolve(migration, answer);
                return;
            }
        }
        throw new Refused("no migration of " + name + " waits for a decision");
    }

    /// The migration of a guest that is paused here, at its source.
    ///
    /// @throws Refused if there is none
    Migration paused(String guest) throws Refused {
        for (Migration migration : copy().reversed()) {
            if (migration.has(guest)
                    && migration.status().direction() == Migration.Direction.OUT
                    && migration.phase() == MigrationPhase.PAUSED) {
                return migration;
            }
        }
        throw new Refused("no migration of " + guest + " from here is paused");
    }

    /// The migration of a guest that has come; null if it is not known.
    @Nullable Migration come(UUID id) {
        for (Migration migration : copy().reversed()) {
            if (migration.id().equals(id)
                    && migration.status().direction() == Migration.Direction.IN) {
                return migration;
            }
        }
        return null;
    }

    /// Cancels the migration of a guest. It goes on at the source.
    ///
    /// @throws Refused if there is none, or it is decided
    public void cancel(String guest) throws Refused {
        for (Migration migration : copy().reversed()) {
            if (migration.has(guest) && !migration.phase().isOver()) {
                if (!migration.phase().isCancellable() || !migration.cancel()) {
                    throw new Refused(
                            "the migration of %s cannot be cancelled any more: %s"
                                    .formatted(guest, migration.phase().word()));
                }
                return;
            }
        }
        throw new Refused(guest + " is not being migrated");
    }

    private void resolve(Migration migration, Migration.Resolution answer) throws Refused {
        if (!migration.isLeft()) {
            migration.resolve(answer);
            return;
        }
        if (answer == Migration.Resolution.RUN) {
            throw new Refused(
                    migration.guests().size() == 1
                            ? migration.guest()
                                    + " is not in this service any more: its memory is lost"
                            : migration.guest()
                                    + " are not in this service any more: their memory is lost");
        }
        try {
            records.forget(migration.id());
        } catch (IOException e) {
            throw new Refused("the record cannot be removed: " + IoReason.of(e));
        }
        migration.enter(MigrationPhase.DONE);
    }
}
