package io.xenemu.core.guest;

import io.xenemu.core.domain.BlockedException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Parts;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypervisor.DomainEvent;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.MigrationMetrics;
import io.xenemu.core.migration.FurtherWriters;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.migration.PageEncoding;
import io.xenemu.core.migration.PageSender;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The source's half of a migration, on the thread of the guest's driver. Its phases are [MigrationPhase]s, in this
/// order, for these reasons:
///
/// 1. **Compatible**: what is against it is named while nothing has happened: by this side, then by the destination.
/// 2. **Rounds**: memory goes while the guest runs, again and again as the guest writes to it, until little is left. So
///    does the content of disks that the other host does not see, if that is asked for.
/// 3. **Last pages**: the guest stands still. Its state is taken first, since taking it may write to memory. Its disks
///    are given up, so that the destination has them before it says that it is ready; those that are copied stay.
///    Then go the blocks and pages that were written since, and the pages that can be written without a trace.
///    In a post-copy the pages that were written follow the guest, but for those that the destination needs to make
///    its domain.
/// 4. **Ready**: the destination has loaded and checked everything. Nothing of it can fail any more but the decision.
/// 5. **Decided**: the decision is on the disk. Up to here the guest goes on whatever fails. From here on this side
///    never runs it by itself, since the destination may. A guest that goes on here claims its disks first
///    ([DiskReturn]).
/// 6. **Go**: the destination runs the guest, says so, and the guest leaves. If no word comes, an operator decides.
final class MigrationSource {
    private static final Logger log = LoggerFactory.getLogger(MigrationSource.class);

    /// The longest wait for the destination to look at what the guest needs. Before it can, ssh may ask its user for a
    /// passphrase. The guest runs meanwhile, and the wait ends with ssh or by an operator.
    private static final Duration ACCEPT_LIMIT = Duration.ofMinutes(5);

    /// The longest wait for a destination that writes to its disk what it has in its memory.
    private static final Duration STORED_LIMIT = Duration.ofMinutes(10);

    /// The longest wait for a destination that loads the last pages, while the guest stands still.
    private static final Duration READY_LIMIT = Duration.ofSeconds(60);

    /// The longest wait for the destination to take a further connection.
    private static final Duration JOIN_LIMIT = Duration.ofSeconds(30);

    private final Hypervisor hypervisor;
    private final List<SaveParty.Member> guests;
    private final SaveScope scope;
    private final DriverRequest order;
    private final DriverRequest.Migrate wanted;
    private final Migration migration;
    private final MigrationLink link;
    private final long begun = System.nanoTime();
    private final DestinationAnswers answers;
    private long sent;

    /// The devices of each guest that the destination has heard of.
    private List<List<PvDevice>> devices = List.of();

    /// The number of guests of which disks are copied.
    private long copied;

    private boolean decided;

    /// @param guests that move together, in the order of the stream
    /// @param order is answered when the guests have left, or an operator has to decide
    MigrationSource(Hypervisor hypervisor, List<SaveParty.Member> guests, DriverRequest order) {
        this.hypervisor = hypervisor;
        this.guests = guests;
        scope = SaveParty.scope(guests);
        this.order = order;
        wanted = order.migrate();
        link = wanted.link();
        migration = wanted.migration();
        answers = new DestinationAnswers(migration);
    }

    private List<Domain> domains() {
        return guests.stream().map(SaveParty.Member::domain).toList();
    }

    /// The guest's name, or those of all.
    private String names() {
        return migration.guest();
    }

    /// Migrates the guests.
    ///
    /// @return whether they have left
    /// @throws Refused if they go on here
    boolean run() throws Refused {
        guests.forEach(guest -> guest.inbox().cancelWith(this::cancel));
        migration.cancelWith(this::cancel);
        MigrationMetrics.Result result = MigrationMetrics.Result.REFUSED;
        try {
            compatible();
            if (wanted.options().onlyAsks()) {
                migration.enter(MigrationPhase.FAILED, MigrationTarget.ONLY_ASKED);
                return false;
            }
            result = MigrationMetrics.Result.FAILED;
            guests.forEach(guest -> guest.boot().tell(DomainEvent.Type.MIGRATING));
            boolean left = migrate();
            if (migration.phase() != MigrationPhase.FAILED) {
                result = MigrationMetrics.Result.OK;
            }
            return left;
        } catch (BlockedException e) {
            throw failed(names() + " cannot be migrated: " + e.getMessage());
        } catch (StuckException e) {
            throw failed(names() + " cannot be stopped: " + e.getMessage());
        } catch (KvmException e) {
            throw failed(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            throw failed(answers.reason(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failed("the service ends");
        } catch (Refused e) {
            throw failed(e.reason());
        } catch (RuntimeException | Error e) {
            log.error("{}: not migrated: this is a bug", names(), e);
            Refused _ = failed("a bug of the service: " + e);
            throw e;
        } finally {
            guests.forEach(guest -> guest.inbox().cancelWith(null));
            migration.cancelWith(null);
            domains().forEach(hypervisor.devices()::thaw);
            link.close();
            wanted.further().forEach(MigrationLink::close);
            wanted.migrations()
                    .metrics()
                    .left(result, sent, Duration.ofNanos(System.nanoTime() - begun));
            wanted.migrations().metrics().copied(migration.status().disks().sent());
        }
    }

    private Refused failed(String why) {
        Refused refusal =
                guests.stream()
                        .filter(guest -> guest.inbox().isDestroyed())
                        .findFirst()
                        .map(guest -> Refusal.DESTROYED.of(guest.name()))
                        .orElseGet(() ->
                                new Refused(
                                        wanted.progress().isCancelled()
                                                ? "the migration of " + names() + " was cancelled"
                                                : why));
        if (migration.phase() != MigrationPhase.COMPATIBLE) {
            guests.forEach(guest -> guest.boot().tell(DomainEvent.Type.MIGRATION_FAILED));
        }
        log.info("{}: not migrated: {}", names(), refusal.reason());
        migration.enter(MigrationPhase.FAILED, refusal.reason());
        return refusal;
    }

    /// Ends it on another thread, unless it is decided.
    private synchronized void cancel() {
        if (!decided) {
            wanted.progress().cancel();
            link.close();
            wanted.further().forEach(MigrationLink::close);
        }
    }

    private synchronized void requireNotCancelled() throws Refused {
        for (SaveParty.Member guest : guests) {
            if (wanted.progress().isCancelled() || guest.domain().shutdownLatch().get() != null) {
                throw new Refused(guest.name() + " has ended or rebooted meanwhile");
            }
        }
    }

    private void requireNoBlockers() throws Refused {
        List<String> reasons = new ArrayList<>();
        for (SaveParty.Member guest : guests) {
            List<String> blockers = guest.domain().parts().blockers(scope);
            if (!blockers.isEmpty()) {
                reasons.add(guest.name() + " cannot be migrated: " + String.join("\n", blockers));
            }
        }
        if (!reasons.isEmpty()) {
            throw new Refused(String.join("\n", reasons));
        }
        if (guests.size() > 1 && wanted.options().postCopy()) {
            throw new Refused(names() + " move together: their pages cannot follow them");
        }
        if (wanted.options().streams() > 1 && guests.size() > 1) {
            throw new Refused(names() + " move together: their pages go over one connection");
        }
        if (wanted.options().streams() > 1 && wanted.options().postCopy()) {
            throw new Refused("pages that follow a guest come over one connection");
        }
        if (wanted.options().copiesStorage() && wanted.options().postCopy()) {
            throw new Refused("pages cannot follow a guest whose disks are copied");
        }
    }

    /// The lowest version that has what this migration needs, so that an earlier destination can take the guest.
    private int version() {
        if (wanted.options().streams() > 1) {
            return MigrationMessage.WITH_STREAMS;
        }
        if (copied > 0) {
            return MigrationMessage.WITH_STORAGE;
        }
        if (guests.size() > 1) {
            return MigrationMessage.WITH_OTHERS;
        }
        return wanted.options().postCopy()
                ? MigrationMessage.WITH_POST_COPY
                : MigrationMessage.WITH_NEEDS;
    }

    /// Lets the devices of the guests stay as the destination hears of them.
    private void freezeDevices() throws Refused {
        for (SaveParty.Member guest : guests) {
            try {
                hypervisor.devices().freeze(guest.domain(), "migrated");
            } catch (Refused e) {
                throw new Refused(
                        e.kind(), guest.name() + " cannot be migrated now: " + e.reason());
            }
        }
    }

    private List<List<PvDevice>> devices() {
        return domains().stream().map(hypervisor.devices()::served).toList();
    }

    /// Checks that the guests, which stand still, have the devices that the destination has heard of. One may have gone
    /// meanwhile that was removed by force before, when its last request has ended.
    private void requireSameDevices() throws Refused {
        if (!devices().equals(devices)) {
            throw new Refused("devices of %s have come or gone meanwhile".formatted(names()));
        }
    }

    private void compatible() throws Refused, IOException, InterruptedException {
        requireNoBlockers();
        freezeDevices();
        devices = devices();
        List<String> files = new ArrayList<>();
        List<MigrationMessage.Comer> all = new ArrayList<>();
        for (SaveParty.Member guest : guests) {
            files.add(MigrationChecks.files(guest));
            all.add(MigrationChecks.comer(hypervisor, guest, wanted.options()));
        }
        copied = all.stream().filter(one -> !one.needs().copies().isEmpty()).count();
        MigrationMessage.Comer first = all.getFirst();
        link.send(
                new MigrationMessage.Hello(
                        version(),
                        migration.id(),
                        first.guest(),
                        first.configVersion(),
                        first.config(),
                        wanted.options().onlyAsks(),
                        first.needs(),
                        all.subList(1, all.size()),
                        wanted.options().streams()));
        answers.listen(link, wanted.options().postCopy());
        switch (answers.next(ACCEPT_LIMIT)) {
            case MigrationMessage.Accept accept -> {
                files.add(accept.checked());
                migration.checked(String.join("\n", files));
                log.info("{} can go to {}, with {}", names(), migration.peer(), accept.program());
                join(accept.token());
            }
            case MigrationMessage other -> throw unexpected(other);
        }
    }

    /// Joins the further connections to the main one.
    private void join(UUID token) throws IOException, Refused {
        int number = 1;
        for (MigrationLink further : wanted.further()) {
            number++;
            further.send(new MigrationMessage.Join(token, number));
            switch (further.receive(JOIN_LIMIT)) {
                case MigrationMessage.Accept _ -> {}
                case MigrationMessage.Refuse refuse ->
                        throw new Refused(migration.peer() + ": " + refuse.reason());
                case MigrationMessage other -> throw unexpected(other);
            }
        }
    }

    private IOException unexpected(MigrationMessage message) {
        return new IOException("an unexpected message: " + message.getClass().getSimpleName());
    }

    private boolean migrate() throws IOException, Refused, BlockedException, InterruptedException {
        migration.enter(MigrationPhase.ROUNDS);
        for (SaveParty.Member guest : guests) {
            guest.awaitMemory();
        }
        SaveWriter writer =
                new SaveWriter(
                        link.channel(), PageEncoding.ZSTD, new FurtherWriters(wanted.further()));
        try (MigrationRecords.Draft decision = draft();
                MovingGuests moving =
                        new MovingGuests(writer, guests, wanted, hypervisor.devices());
                MigrationRounds rounds =
                        new MigrationRounds(
                                moving,
                                wanted,
                                round -> answers.awaitStored(round, copied, STORED_LIMIT))) {
            migration.copies(moving::disks);
            List<BitSet> left = rounds.run();
            sent = moving.bytes();
            return lastPages(writer, moving, left, decision);
        }
    }

    private boolean lastPages(
            SaveWriter writer,
            MovingGuests moving,
            List<BitSet> left,
            MigrationRecords.Draft decision)
            throws IOException, Refused, BlockedException, InterruptedException {
        migration.enter(MigrationPhase.LAST_PAGES);
        requireNotCancelled();
        for (Domain domain : domains()) {
            // So that little is left to be flushed while it stands still.
            hypervisor.devices().flush(domain, wanted.options().copiesStorage());
        }
        BitSet follow = new BitSet();
        List<Parts> parts = domains().stream().map(Domain::parts).toList();
        try (StandStill still = new StandStill(parts, scope)) {
            try {
                requireSameDevices();
                for (Domain domain : domains()) {
                    hypervisor.devices().release(domain, wanted.options().copiesStorage());
                }
                if (wanted.options().postCopy()) {
                    follow = moving.writeLastBefore(left.getFirst());
                } else {
                    moving.writeLast(left);
                }
                moving.end(writer, still.states().stream().map(XenState::write).toList());
                sent = writer.end();
                answers.awaitStored(moving.round(), copied, READY_LIMIT);
                awaitReady(follow);
                migration.enter(MigrationPhase.READY);
                decide(decision);
            } catch (IOException e) {
                Refused refusal = new Refused(answers.reason(e));
                refusal.addSuppressed(e);
                if (comesBack(still, refusal)) {
                    throw refusal;
                }
                return true;
            } catch (Refused | InterruptedException | RuntimeException | Error e) {
                if (comesBack(still, e)) {
                    throw e;
                }
                return true;
            }
            DecidedSource last =
                    new DecidedSource(hypervisor, guests, order, answers, still, still.begun());
            boolean haveLeft = last.go(follow);
            sent += last.followed();
            return haveLeft;
        }
    }

    /// Waits until the destination is ready, and sends it the pages that it needs before.
    ///
    /// @param pages that are to follow
    private void awaitReady(BitSet pages) throws IOException, Refused, InterruptedException {
        long end = System.nanoTime() + READY_LIMIT.toNanos();
        while (true) {
            if (System.nanoTime() > end) {
                throw new SocketTimeoutException("the destination needs too long to be ready");
            }
            switch (answers.next(READY_LIMIT)) {
                case MigrationMessage.Ready _ -> {
                    return;
                }
                case MigrationMessage.Need(int page) when pages.get(page) -> {
                    // Pages follow one guest alone.
                    Domain domain = domains().getFirst();
                    RamSource ram = RamSource.of(domain.memory());
                    log.debug("{}: page {} is needed early", domain, page);
                    link.send(new MigrationMessage.Page(page, PageSender.page(ram, page)));
                }
                default -> throw new IOException("the destination does not say that it is ready");
            }
        }
    }

    /// Ends a migration that has failed before the decision, and gives the guest its disks again.
    ///
    /// @return whether it goes on here; otherwise it ends
    private boolean comesBack(StandStill still, Throwable failure) {
        if (migration.phase() == MigrationPhase.READY) {
            tellThatItStays();
        }
        // The destination gives the disks up when it sees this.
        link.close();
        wanted.further().forEach(MigrationLink::close);
        if (new DiskReturn(hypervisor.devices(), guests, order, migration).await()) {
            return true;
        }
        boolean _ = order.fail(failed(String.valueOf(failure.getMessage())));
        DecidedSource.leaveHere(still, guests);
        return false;
    }

    /// So that the destination need not ask anybody. It may be gone already.
    private void tellThatItStays() {
        try {
            link.send(new MigrationMessage.Refuse("the guest goes on at the source"));
        } catch (IOException e) {
            log.debug("{}: the destination does not listen: {}", names(), e.toString());
        }
    }

    private MigrationRecords.Draft draft() throws Refused {
        try {
            return wanted.migrations().records().draft(migration);
        } catch (IOException e) {
            throw cannotBeWritten(e);
        }
    }

    private static Refused cannotBeWritten(IOException e) {
        return new Refused("the decision cannot be written: " + IoReason.of(e));
    }

    /// Makes the decision. After this the guest does not go on here by itself.
    private synchronized void decide(MigrationRecords.Draft decision) throws Refused {
        requireNotCancelled();
        try {
            decision.decide();
        } catch (IOException e) {
            throw cannotBeWritten(e);
        }
        decided = true;
        migration.enter(MigrationPhase.DECIDED);
    }
}
