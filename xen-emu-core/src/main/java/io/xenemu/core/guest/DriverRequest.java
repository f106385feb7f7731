package io.xenemu.core.guest;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// A request to the driver of a guest, and its answer. Any thread may wait for the answer; the driver gives it.
final class DriverRequest {
    /// The kinds of requests. Destroying a guest is none of them: nothing queues it.
    enum Kind {
        START,
        PAUSE,
        UNPAUSE,
        /// Asks the guest by XenStore to power off.
        SHUT_DOWN,
        /// Asks the guest by XenStore to reboot.
        REBOOT,
        /// Asks the guest by XenStore to suspend, and waits until it has.
        SUSPEND,
        /// Cancels a suspend.
        RESUME,
        /// Writes a [Dump].
        DUMP_CORE,
        /// Writes a [Save].
        SAVE,
        /// Moves the guest to another host: [Migrate].
        MIGRATE,
        /// Hands the guest over to the next version of the service, with others: [UpdateParty].
        HAND_OVER
    }

    private final Kind kind;
    private final @Nullable DomId domain;
    private final @Nullable Dump dump;
    private final @Nullable Save save;
    private final @Nullable Migrate migrate;
    private final @Nullable UpdateParty party;
    private final CompletableFuture<Void> answer = new CompletableFuture<>();

    /// A core dump.
    ///
    /// @param progress how far it is
    record Dump(Path file, boolean live, WorkProgress progress) {}

    /// A save.
    ///
    /// @param then what becomes of the guest
    /// @param suspend whether the guest is asked to suspend itself
    /// @param progress how far it is
    /// @param party the guests that are saved together
    record Save(
            SavePlace place,
            DomainOrder.Then then,
            boolean suspend,
            WorkProgress progress,
            SaveParty party) {}

    /// A migration.
    ///
    /// @param migration as an operator sees it
    /// @param options an operator's wishes
    /// @param link to the destination
    /// @param further connections to it, for pages
    /// @param progress of a round
    /// @param migrations the service's
    /// @param party the guests that move together
    record Migrate(
            Migration migration,
            MigrationOptions options,
            MigrationLink link,
            List<MigrationLink> further,
            WorkProgress progress,
            Migrations migrations,
            SaveParty party) {
        Migrate {
            further = List.copyOf(further);
        }
    }

    private DriverRequest(
            Kind kind,
            @Nullable DomId domain,
            @Nullable Dump dump,
            @Nullable Save save,
            @Nullable Migrate migrate,
            @Nullable UpdateParty party) {
        this.party = party;
        this.migrate = migrate;
        this.kind = kind;
        this.domain = domain;
        this.dump = dump;
        this.save = save;
    }

    /// A request to the guest, whichever domain it has.
    static DriverRequest of(Kind kind) {
        return new DriverRequest(kind, null, null, null, null, null);
    }

    /// A request to the guest while it has this domain.
    static DriverRequest of(Kind kind, DomId domain) {
        return new DriverRequest(kind, domain, null, null, null, null);
    }

    /// A request to dump the guest's domain.
    static DriverRequest of(Dump dump, DomId domain) {
        return new DriverRequest(Kind.DUMP_CORE, domain, dump, null, null, null);
    }

    /// A request to save the guest's domain.
    static DriverRequest of(Save save, DomId domain) {
        return new DriverRequest(Kind.SAVE, domain, null, save, null, null);
    }

    /// A request to migrate the guest's domain.
    static DriverRequest of(Migrate migrate, DomId domain) {
        return new DriverRequest(Kind.MIGRATE, domain, null, null, migrate, null);
    }

    /// A request to hand the guest over, whichever domain it has.
    static DriverRequest of(UpdateParty party) {
        return new DriverRequest(Kind.HAND_OVER, null, null, null, null, party);
    }

    Kind kind() {
        return kind;
    }

    /// The domain that it is for; null for whichever the guest has.
    @Nullable DomId domain() {
        return domain;
    }

    /// The dump that is requested.
    ///
    /// @throws IllegalStateException if this is not a request for a dump
    Dump dump() {
        Dump wanted = dump;
        if (wanted == null) {
            throw new IllegalStateException(this + " is no dump");
        }
        return wanted;
    }

    /// The save that is requested.
    ///
    /// @throws IllegalStateException if this is not a request for a save
    Save save() {
        Save wanted = save;
        if (wanted == null) {
            throw new IllegalStateException(this + " is no save");
        }
        return wanted;
    }

    /// The migration that is requested.
    ///
    /// @throws IllegalStateException if this is not a request for a migration
    Migrate migrate() {
        Migrate wanted = migrate;
        if (wanted == null) {
            throw new IllegalStateException(this + " is no migration");
        }
        return wanted;
    }

    /// The guests that are to be handed over together.
    ///
    /// @throws IllegalStateException if this is no such request
    UpdateParty party() {
        UpdateParty wanted = party;
        if (wanted == null) {
            throw new IllegalStateException(this + " hands nothing over");
        }
        return wanted;
    }

    /// Whether it has an answer.
    boolean isAnswered() {
        return answer.isDone();
    }

    /// Answers that the request has been carried out.
    void done() {
        answer.complete(null);
    }

    /// Answers that it has not been carried out.
    ///
    /// @return false if it was answered before
    boolean fail(Throwable failure) {
        return answer.completeExceptionally(failure);
    }

    /// Waits for the answer. The request is carried out even if no thread waits for it any more.
    ///
    /// @throws Refused the request was refused
    /// @throws ExecutionException it failed
    void await() throws Refused, InterruptedException, ExecutionException {
        try {
            answer.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Refused refused) {
                throw refused;
            }
            throw e;
        }
    }

    /// Waits for the answer for at most a while.
    ///
    /// @return false if there is no answer yet
    /// @throws Refused the request was refused
    /// @throws ExecutionException it failed
    boolean await(Duration limit) throws Refused, InterruptedException, ExecutionException {
        try {
            answer.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Refused refused) {
                throw refused;
            }
            throw e;
        }
        return true;
    }

    @Override
    public String toString() {
        return kind + (domain == null ? "" : " of " + domain);
    }
}
