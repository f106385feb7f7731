package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.MigrationMetrics;
import io.xenemu.core.migration.FurtherReaders;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.paging.LateRam;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The destination's half of a migration, on a thread of its own. Its phases, in this order:
///
/// 1. **Compatible**: what is against the guest is told before any of it is sent.
/// 2. **Rounds**: the guest's driver loads the stream to its end, checks it, and makes the domain, which does not run.
///    Until then everything is destroyed if the connection is lost: the guest is at the source. The source has given up
///    the guest's disks before it has sent the state, so the domain has them. Disks whose content comes with the guest
///    are complete and on the storage then.
/// 3. **Ready**: the source is told, and decides. If the connection is lost now, the decision is not known: the domain
///    stays, does not run, and an operator decides. It gives up its disks, since the guest at the source goes on with
///    them if it was not decided, and claims them again before it runs. Disks that came are this side's own.
/// 4. **Go**: the guest runs, and the source is told.
///
/// Until it runs, its name has the suffix `--incoming`, as under xl.
final class MigrationTarget {
    /// The suffix of the name of a guest that does not run yet.
    static final String SUFFIX = "--incoming";

    /// The end of a migration that was not to be one.
    static final String ONLY_ASKED = "the source has only asked";

    private static final Logger log = LoggerFactory.getLogger(MigrationTarget.class);

    /// The longest wait for the decision. The source waits for its disks, if it has not decided and the connection was
    /// lost unnoticed.
    private static final Duration DECISION_LIMIT = Duration.ofSeconds(60);

    /// The longest wait for the first message.
    private static final Duration HELLO_LIMIT = Duration.ofSeconds(30);

    /// The longest wait for all further connections, once the source knows their token.
    private static final Duration JOIN_LIMIT = Duration.ofSeconds(30);

    private final Hypervisor hypervisor;
    private final HostedGuests guests;
    private final Migrations migrations;
    private final MigrationLink link;
    private final String peer;
    private final WorkProgress progress = new WorkProgress();

    /// The further connections that are to come.
    private @Nullable JoiningStreams joining;

    /// The further connections, once they have come.
    private volatile List<MigrationLink> further = List.of();

    /// Whether the guest runs, so that what fails now is no failure of the migration.
    private boolean paused;

    /// @param link to the source; closed at the end
    /// @param peer the source, for an operator
    MigrationTarget(
            Hypervisor hypervisor,
            HostedGuests guests,
            Migrations migrations,
            MigrationLink link,
            String peer) {
        this.hypervisor = hypervisor;
        this.guests = guests;
        this.migrations = migrations;
        this.link = link;
        this.peer = peer;
    }

    /// Takes a guest.
    ///
    /// @return its name
    /// @throws Refused if it does not run here
    String run() throws Refused, InterruptedException {
        MigrationMetrics.Result result = MigrationMetrics.Result.REFUSED;
        Migration migration = null;
        boolean isFurther = false;
        try (link) {
            MigrationMessage first = link.receive(HELLO_LIMIT);
            if (first instanceof MigrationMessage.Recover(UUID id)) {
                result = MigrationMetrics.Result.OK;
                return recovers(id);
            }
            if (first instanceof MigrationMessage.Join(UUID token, int stream)) {
                isFurther = true;
                return joins(token, stream);
            }
            MigrationMessage.Hello hello = hello(first);
            migration =
                    migrations.begin(
                            hello.migration(),
                            Migration.Direction.IN,
                            hello.all().stream().map(one -> one.guest().name()).toList(),
                            peer);
            compatible(hello);
            if (hello.onlyAsks()) {
                throw new Refused(ONLY_ASKED);
            }
            result = MigrationMetrics.Result.FAILED;
            load(migration, hello);
            result = MigrationMetrics.Result.OK;
            migration.enter(MigrationPhase.DONE);
            return migration.guest();
        } catch (BootException | KvmException e) {
            throw failed(migration, String.valueOf(e.getMessage()));
        } catch (IOException e) {
            throw failed(migration, IoReason.of(e));
        } catch (Refused e) {
            throw failed(migration, e.reason());
        } catch (RuntimeException | Error e) {
            log.error("a guest does not come: this is a bug", e);
            Refused _ = failed(migration, "a bug of the service: " + e);
            throw e;
        } finally {
            JoiningStreams streams = joining;
            if (streams != null) {
                migrations.expectNot(streams);
                streams.close();
            }
            if (!isFurther) {
                migrations.metrics().came(paused ? MigrationMetrics.Result.OK : result);
            }
        }
    }

    /// Takes a further connection of a source, for the thread that takes its guest.
    ///
    /// @return what it was, when it is not used any more
    private String joins(UUID token, int stream) throws Refused, IOException, InterruptedException {
        JoiningStreams streams = migrations.joining(token);
        if (streams == null) {
            refuse("no migration expects this connection");
            throw new Refused("a connection has come that no migration expects");
        }
        // Before another thread uses it.
        link.send(new MigrationMessage.Accept(MigrationMessage.WITH_STREAMS, "xen-emu", ""));
        CompletableFuture<String> end = streams.join(stream, link);
        try {
            return "stream %d of %s".formatted(stream, end.get());
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    private Refused failed(@Nullable Migration migration, String why) {
        if (migration != null && !paused) {
            migration.enter(MigrationPhase.FAILED, why);
            log.info("{} does not come: {}", migration.guest(), why);
        }
        return new Refused(why);
    }

    /// Takes a further connection of a source whose guest is here.
    private String recovers(UUID id) throws Refused, IOException, InterruptedException {
        Migration migration = migrations.come(id);
        if (migration == null) {
            refuse("the guest of this migration is not here");
            throw new Refused("a source has a migration that is not known here");
        }
        link.send(new MigrationMessage.Accept(MigrationMessage.WITH_POST_COPY, "xen-emu", ""));
        awaitPages(migration, migration.rejoin(link.detach()));
        return migration.guest();
    }

    private static void awaitPages(Migration migration, CompletableFuture<String> follows)
            throws Refused, InterruptedException {
        String lost;
        try {
            lost = follows.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
        if (!lost.isEmpty()) {
            throw new Refused(
                    "%s waits for its pages: %s; migrate-recover at its source lets them follow"
                            .formatted(migration.guest(), lost));
        }
    }

    private static MigrationMessage.Hello hello(MigrationMessage first) throws IOException {
        if (first instanceof MigrationMessage.Hello hello) {
            return hello;
        }
        throw new IOException("the source does not say which guest it has");
    }

    private void compatible(MigrationMessage.Hello hello)
            throws IOException, Refused, BootException {
        String checked;
        try {
            if (hello.version() > MigrationMessage.VERSION || hello.version() < 1) {
                throw new Refused(
                        "version %d of migrations is not known here: the newest is %d"
                                .formatted(hello.version(), MigrationMessage.VERSION));
            }
            checked = MigrationChecks.here(hypervisor, guests, hello);
            if (hello.pagesFollow()) {
                LaterPages.requireRight();
            }
        } catch (IllegalArgumentException e) {
            refuse(String.valueOf(e.getMessage()));
            throw new Refused(String.valueOf(e.getMessage()));
        } catch (Refused | BootException | IOException e) {
            refuse(String.valueOf(e.getMessage()));
            throw e;
        }
        if (hello.version() < MigrationMessage.WITH_STREAMS || hello.onlyAsks()) {
            link.send(new MigrationMessage.Accept(hello.version(), "xen-emu", checked));
            return;
        }
        JoiningStreams streams = new JoiningStreams(hello.guest().name(), hello.streams());
        joining = streams;
        migrations.expect(streams);
        link.send(
                new MigrationMessage.Accept(hello.version(), "xen-emu", checked, streams.token()));
    }

    /// Tells the source that the guest stays there. It may have gone already.
    private void refuse(String why) {
        try {
            String first = why.lines().findFirst().orElse("");
            link.send(new MigrationMessage.Refuse(first));
            link.drain();
        } catch (IOException e) {
            log.debug("the source does not listen: {}", e.toString());
        }
    }

    private void load(Migration migration, MigrationMessage.Hello hello)
            throws IOException, Refused, BootException, InterruptedException {
        awaitFurther();
        migration.enter(MigrationPhase.ROUNDS);
        IncomingDisks disks;
        try {
            disks = IncomingDisks.make(hypervisor.devices(), hello.all());
        } catch (Refused e) {
            refuse(e.reason());
            throw e;
        }
        try (disks) {
            load(migration, hello, disks);
        }
    }

    private void awaitFurther() throws IOException, InterruptedException {
        JoiningStreams streams = joining;
        if (streams == null) {
            return;
        }
        try {
            further = streams.await(JOIN_LIMIT);
        } catch (IOException e) {
            refuse(String.valueOf(e.getMessage()));
            throw e;
        } finally {
            migrations.expectNot(streams);
        }
    }

    private void load(Migration migration, MigrationMessage.Hello hello, IncomingDisks disks)
            throws IOException, Refused, BootException, InterruptedException {
        SavedStream stream = null;
        LaterPages later = null;
        try {
            if (hello.pagesFollow()) {
                later = LaterPages.open(guests.pages(), link);
            }
            stream =
                    SavedStream.live(
                            link,
                            new FurtherReaders(further),
                            progress,
                            later,
                            disks,
                            MigrationChecks.configs(hello));
        } catch (Refused e) {
            refuse(e.reason());
            throw e;
        } finally {
            if (stream == null && later != null) {
                later.close();
            }
        }
        GuestsRestore restore = new GuestsRestore(stream, () -> {});
        boolean told = false;
        try {
            List<Domain> domains = make(migration, stream, restore);
            migration.cancelWith(null);
            // All that can fail has to be done before the source decides.
            restore.join();
            if (later != null) {
                later.endAsking();
                migration.comesBy(later.ram());
            }
            migration.enter(MigrationPhase.READY);
            link.send(new MigrationMessage.Ready());
            told = true;
            boolean goes = decision(migration, restore, domains, hello.hasCopies());
            if (!goes) {
                throw new Refused("an operator has destroyed this copy");
            }
            disks.keep();
            if (later == null) {
                restore.letGo();
                running();
            } else {
                follow(migration, later, restore);
            }
        } catch (Refused | BootException | IOException | KvmException e) {
            // It has no disk any more when the source hears of it.
            restore.close();
            if (!told) {
                refuse(String.valueOf(e.getMessage()));
            }
            throw e;
        } finally {
            restore.close();
        }
    }

    /// Makes the guests of the stream.
    ///
    /// @return their domains, which do not run
    private List<Domain> make(Migration migration, SavedStream stream, GuestsRestore restore)
            throws IOException, Refused, BootException, InterruptedException {
        List<GuestImage> images = stream.comers();
        List<String> names = images.stream().map(image -> image.request().config().name()).toList();
        int begun = 0;
        try {
            if (!names.equals(migration.guests())) {
                throw new Refused("the stream has another guest");
            }
            migration.cancelWith(this::cancel);
            for (GuestImage image : images) {
                begun++;
                restore.begin(image, guests.add(image, false));
            }
        } finally {
            images.subList(begun, images.size()).forEach(GuestImage::close);
        }
        List<Domain> domains = restore.awaitMade();
        if (stream.next() != null) {
            throw new Refused("the stream has another guest");
        }
        return domains;
    }

    /// Lets the guest run, and its pages follow.
    private void follow(Migration migration, LaterPages later, GuestsRestore restore)
            throws IOException, Refused, BootException, InterruptedException {
        CompletableFuture<String> follows = migration.follows();
        StreamSocket again = migration.takeSocket();
        LateRam ram = later.ram();
        migration.comesBy(ram);
        ram.whenLinkIsLost(reason -> migration.enter(MigrationPhase.PAUSED, reason));
        ram.join(again == null ? link.detach() : again);
        restore.letGo();
        ram.running();
        ram.whenThere(() -> migration.enter(MigrationPhase.DONE));
        ram.whenLost(reason -> migration.enter(MigrationPhase.FAILED, reason));
        paused = true;
        awaitPages(migration, follows);
    }

    /// Waits for the source's decision, or an operator's if the source's cannot be known.
    ///
    /// @param hasCopies whether the content of disks has come
    /// @return whether the guest runs here
    /// @throws Refused if the source has the guest
    private boolean decision(
            Migration migration, GuestsRestore restore, List<Domain> domains, boolean hasCopies)
            throws Refused, BootException, InterruptedException {
        String unknown;
        try {
            switch (link.receive(DECISION_LIMIT)) {
                case MigrationMessage.Go _ -> {
                    migration.enter(MigrationPhase.DECIDED);
                    return true;
                }
                case MigrationMessage.Refuse refuse -> throw new Refused(refuse.reason());
                case MigrationMessage other -> unknown = "an unexpected message: " + other;
            }
        } catch (IOException e) {
            unknown = IoReason.of(e);
        }
        log.warn(
                "{}: not known whether {} has decided that this copy runs: {}",
                domains,
                peer,
                unknown);
        giveUpDisks(domains, hasCopies);
        // The source need not wait for an answer.
        link.close();
        CompletableFuture<Migration.Resolution> answer =
                migration.ask(
                        unknown, () -> DiskReturn.claim(hypervisor.devices(), domains, hasCopies));
        migrations.metrics().came(MigrationMetrics.Result.UNDECIDED);
        while (!answer.isDone()) {
            // Throws if a guest is destroyed.
            restore.look();
        }
        return answer.join() == Migration.Resolution.RUN;
    }

    /// A copy that may not run leaves its disks to the one that may, but for those that are its own.
    private void giveUpDisks(List<Domain> domains, boolean hasCopies) throws InterruptedException {
        for (Domain domain : domains) {
            try {
                hypervisor.devices().release(domain, hasCopies);
            } catch (Refused e) {
                log.warn("{} keeps its disks: {}", domain, e.reason());
            }
        }
    }

    /// Tells the source. If that fails, it asks its operator.
    private void running() {
        try {
            link.send(new MigrationMessage.Running());
        } catch (IOException e) {
            log.warn("{} does not know that its guest runs here: {}", peer, e.toString());
        }
    }

    /// Ends it on another thread, before the destination is ready.
    void cancel() {
        progress.cancel();
        link.close();
        further.forEach(MigrationLink::close);
    }
}
