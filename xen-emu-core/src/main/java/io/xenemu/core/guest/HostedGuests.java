package io.xenemu.core.guest;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainTies;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.hypervisor.SaveMetrics;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.migration.DetachableChannel;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.migration.PeekedChannel;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.paging.PageService;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The guests in the background of a service, by name.
public final class HostedGuests implements OrderlyStop.Guests, AutoCloseable {
    /// As in xl's names of domains that stay after `rename-restart`, in UTC.
    private static final DateTimeFormatter SUFFIX =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmm'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

    /// The most stopped domains of one guest that stay at a time: more than an operator looks at. Otherwise a guest
    /// that crashes again and again would use up the host's memory, and every domain id.
    private static final int MAX_KEPT = 8;

    /// The time for the drivers of guests that are saved together to come together.
    private static final Duration GATHER_LIMIT = Duration.ofSeconds(10);

    /// The longest wait for a destination that looks whether it has a guest.
    private static final Duration RECOVER_LIMIT = Duration.ofSeconds(30);

    private static final Logger log = LoggerFactory.getLogger(HostedGuests.class);

    private final Hypervisor hypervisor;
    private final Path dumps;
    private final int maxKept;
    private final PageService pages = new PageService();
    private final Migrations migrations;
    private final DeviceModels models = new DeviceModels(this, DeviceModels.library());

    @GuardedBy("this")
    private final Map<String, HostedGuest> guests = new LinkedHashMap<>();

    /// Names for domains that are about to become guests of their own.
    @GuardedBy("this")
    private final Set<String> reserved = new HashSet<>();

    /// The guest to which each stopped domain that stays belongs, by the domain's new name.
    @GuardedBy("this")
    private final Map<String, String> origins = new HashMap<>();

    @GuardedBy("this")
    private boolean closed;

    /// Guests that have been asked to power off because the service ends.
    private final Set<HostedGuest> asked = ConcurrentHashMap.newKeySet();

    /// @param dumps the folder for core dumps, which may not be there yet
    /// @param records the folder for the decisions of migrations, which may not be there yet
    public HostedGuests(Hypervisor hypervisor, Path dumps, Path records) {
        this(hypervisor, dumps, records, MAX_KEPT);
    }

    /// The guests that a service has when it has taken those of another process over ([#takeOver]). Until then that
    /// process may migrate guests, so its decisions are not looked at before.
    ///
    /// @param dumps as for another service, as is `records`
    public static HostedGuests takingOver(Hypervisor hypervisor, Path dumps, Path records) {
        return new HostedGuests(
                hypervisor,
                dumps,
                new Migrations(records, hypervisor.migrationMetrics()),
                MAX_KEPT);
    }

    /// @param maxKept the most stopped domains of one guest that stay at a time
    HostedGuests(Hypervisor hypervisor, Path dumps, Path records, int maxKept) {
        this(hypervisor, dumps, new Migrations(records, hypervisor.migrationMetrics()), maxKept);
        migrations.addLeft();
    }

    private HostedGuests(Hypervisor hypervisor, Path dumps, Migrations migrations, int maxKept) {
        this.migrations = migrations;
        this.hypervisor = hypervisor;
        this.dumps = dumps;
        this.maxKept = maxKept;
    }

    /// Starts a guest.
    ///
    /// @param paused whether it begins paused
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit
    /// @throws Refused when there is a guest of that name, or the guest is destroyed before it runs
    public void create(GuestRequest request, boolean paused) throws BootException, Refused {
        HostedGuest guest = add(request, new Guest(request, dumps, this::keep), paused);
        try {
            guest.start();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Refused.serviceEnds();
        }
    }

    /// Restores the guests of a saved file: all of them, or none. Or lets a guest go on that real Xen has saved.
    ///
    /// @param clock what happens to their clocks
    /// @param lazy whether the memory of the only guest comes while it runs
    /// @param paused whether they begin with one more pause
    /// @param told gets the progress from time to time, on this thread
    /// @throws BootException when an image cannot be used, or the host cannot run a guest
    /// @throws Refused when there is a guest of such a name, or a guest is destroyed before it runs
    public void restore(
            SavePlace place,
            ClockPolicy clock,
            boolean lazy,
            boolean paused,
            Consumer<WorkProgress> told)
            throws BootException, Refused, InterruptedException {
        WorkProgress progress = new WorkProgress();
        if (lazy) {
            List<String> _ =
                    restore(
                            SavedStream.lazy(place, clock, pages, progress),
                            paused,
                            () -> told.accept(progress));
            return;
        }
        PeekedChannel channel = SavedChannel.open(place);
        if (SavedChannel.isOfXen(channel)) {
            importGuest(
                    XenGuestImage.open(place, channel, progress),
                    paused,
                    () -> told.accept(progress));
            return;
        }
        SavedStream stream = SavedStream.open(place, channel, clock, progress);
        List<String> _ = restore(stream, paused, () -> told.accept(progress));
    }

    /// Restores the guests of a stream, and closes it.
    ///
    /// @return their names
    private List<String> restore(SavedStream stream, boolean paused, Runnable told)
            throws BootException, Refused, InterruptedException {
        GuestsRestore restore = new GuestsRestore(stream, told);
        SaveMetrics.Result result = SaveMetrics.Result.FAILED;
        try {
            List<String> names = new ArrayList<>();
            for (GuestImage image = stream.next(); image != null; image = stream.next()) {
                names.add(image.request().config().name());
                restore.make(image, add(image, paused));
            }
            restore.letGo();
            result = SaveMetrics.Result.OK;
            return names;
        } finally {
            restore.close();
            stream.count(hypervisor.saveMetrics(), result);
        }
    }

    /// Makes clones of a saved guest that had suspended itself, one after the other. If one cannot be made, those
    /// before it go on.
    ///
    /// @param count of them
    /// @param name that they get with a number; null for the name of the saved guest. A single clone gets a given name
    ///     as it is
    /// @param paused whether they begin with one more pause
    /// @param told gets the progress from time to time, on this thread
    /// @return their names
    /// @throws BootException when the image cannot be used, or the host cannot run a guest
    /// @throws Refused when the guest cannot be cloned, or there is a guest of such a name
    public List<String> makeClones(
            SavePlace place,
            int count,
            @Nullable String name,
            boolean paused,
            Consumer<WorkProgress> told)
            throws BootException, Refused, InterruptedException {
        List<String> names = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            String suffix = "-" + i;
            UnaryOperator<String> clone =
                    saved -> name == null ? saved + suffix : count == 1 ? name : name + suffix;
            WorkProgress progress = new WorkProgress();
            SavedStream stream = SavedStream.ofClone(place, pages, clone, progress);
            names.add(restore(stream, paused, () -> told.accept(progress)).getFirst());
        }
        return names;
    }

    /// Lets a guest of real Xen go on.
    private void importGuest(XenGuestImage image, boolean paused, Runnable told)
            throws BootException, Refused, InterruptedException {
        HostedGuest guest = add(image, paused);
        boolean done = false;
        try {
            guest.begin();
            while (!guest.isStarted()) {
                told.run();
            }
            done = true;
        } finally {
            if (!done) {
                guest.destroyNow();
            }
        }
    }

    /// Makes a guest of an image, which it closes at its end.
    HostedGuest add(DomainImage image, boolean paused) throws Refused {
        boolean taken = false;
        try {
            HostedGuest guest = add(image.request(), new Guest(image, dumps, this::keep), paused);
            taken = true;
            return guest;
        } finally {
            if (!taken) {
                image.close();
            }
        }
    }

    /// The device models of guests.
    public DeviceModels deviceModels() {
        return models;
    }

    /// The migrations from and to this service.
    public Migrations migrations() {
        return migrations;
    }

    /// Moves guests to another host: all of them, at one moment, or none.
    ///
    /// @param domains of the guests
    /// @param place the socket that leads to the destination
    /// @param peer the destination, for an operator
    /// @param told gets the progress from time to time, on this thread
    /// @return what is known of the migration at its end
    /// @throws Refused if the guest has not moved, or that is not known
    public Migration.Status migrate(
            List<Domain> domains,
            SavePlace place,
            String peer,
            MigrationOptions options,
            Consumer<Migration.Status> told)
            throws Refused, InterruptedException {
        return migrate(domains, place, List.of(), peer, options, told);
    }

    /// As [#migrate], with further connections for pages.
    ///
    /// @param further one less than the connections that the options name, or none if it only asks
    public Migration.Status migrate(
            List<Domain> domains,
            SavePlace place,
            List<SavePlace> further,
            String peer,
            MigrationOptions options,
            Consumer<Migration.Status> told)
            throws Refused, InterruptedException {
        if (domains.size() > MigrationMessage.MAX_TOGETHER) {
            throw new Refused(
                    "%d guests: at most %d move together"
                            .formatted(domains.size(), MigrationMessage.MAX_TOGETHER));
        }
        List<Domain> inOrder =
                domains.stream()
                        .sorted(Comparator.comparingInt(domain -> domain.id().value()))
                        .toList();
        List<HostedGuest> moving = hosted(inOrder);
        List<String> names = moving.stream().map(HostedGuest::name).toList();
        SaveParty party = new SaveParty(domains.size());
        List<DriverRequest> requests = new ArrayList<>();
        try (MigrationLink link = link(place);
                MigrationLinks others = new MigrationLinks()) {
            for (SavePlace one : further) {
                others.add(link(one));
            }
            Migration migration =
                    migrations.begin(UUID.randomUUID(), Migration.Direction.OUT, names, peer);
            DriverRequest.Migrate wanted =
                    new DriverRequest.Migrate(
                            migration,
                            options,
                            link,
                            others.all(),
                            new WorkProgress(),
                            migrations,
                            party);
            boolean done = false;
            try {
                for (int i = 0; i < moving.size(); i++) {
                    DriverRequest request = DriverRequest.of(wanted, inOrder.get(i).id());
                    requests.add(request);
                    moving.get(i).put(request);
                }
                await(requests, party, () -> told.accept(migration.status()));
                done = true;
                return migration.status();
            } catch (Refused e) {
                if (migration.phase() == MigrationPhase.COMPATIBLE) {
                    // The drivers have not begun.
                    migration.enter(MigrationPhase.FAILED, e.reason());
                } else if (migration.phase().isOver()) {
                    awaitAnswers(requests);
                }
                throw e;
            } finally {
                if (!done) {
                    party.giveUp(new Refused("the migration was given up"));
                    // Nothing to cancel if it is decided, or was refused.
                    boolean _ = migration.cancel();
                }
            }
        }
    }

    /// Waits for the answers of drivers whose guests go on: then they take requests again.
    private static void awaitAnswers(List<DriverRequest> requests) throws InterruptedException {
        for (DriverRequest request : requests) {
            try {
                while (!Guest.isAnswered(request)) {
                    log.debug("the driver of another guest has not gone on yet");
                }
            } catch (Refused e) {
                log.debug("not migrated: {}", e.reason());
            }
        }
    }

    /// The guests, those together that share pages or event channels now.
    ///
    /// @return the names of each group, in the order of their domains' ids
    public List<List<String>> groups() {
        List<Domain> domains = new ArrayList<>();
        hypervisor.operated().forEach(domains::add);
        domains.removeIf(domain -> named(domain.config().name()) == null);
        return DomainTies.groups(domains).stream()
                .map(group -> group.stream().map(domain -> domain.config().name()).toList())
                .toList();
    }

    /// The guests of domains that move together.
    ///
    /// @throws Refused if one is none, or is named twice
    private List<HostedGuest> hosted(List<Domain> domains) throws Refused {
        List<HostedGuest> hosted = new ArrayList<>();
        for (Domain domain : domains) {
            String name = domain.config().name();
            HostedGuest guest = named(name);
            if (guest == null) {
                throw Refused.noSuchDomain(name);
            }
            if (hosted.contains(guest)) {
                throw new Refused(name + " is named twice");
            }
            hosted.add(guest);
        }
        return hosted;
    }

    /// Lets the pages of a guest that has moved follow it on a new connection.
    ///
    /// @param name of the guest, whose migration from here is paused
    /// @param place the socket that leads to the destination
    /// @param peer the destination, for an operator
    /// @param told gets the progress from time to time, on this thread
    /// @return what is known of the migration at its end
    /// @throws Refused if the pages do not follow, or not all of them
    public Migration.Status recover(
            String name, SavePlace place, String peer, Consumer<Migration.Status> told)
            throws Refused, InterruptedException {
        Migration migration = migrations.paused(name);
        try (MigrationLink link = link(place)) {
            link.send(new MigrationMessage.Recover(migration.id()));
            switch (link.receive(RECOVER_LIMIT)) {
                case MigrationMessage.Accept _ -> {
                    String lost =
                            await(migration.recover(link), () -> told.accept(migration.status()));
                    if (!lost.isEmpty()) {
                        throw new Refused(PostCopySource.paused(migration, lost));
                    }
                    return migration.status();
                }
                case MigrationMessage.Refuse refuse ->
                        throw new Refused(peer + ": " + refuse.reason());
                case MigrationMessage other ->
                        throw new Refused(peer + ": an unexpected message: " + other);
            }
        } catch (IOException e) {
            throw new Refused(peer + ": " + IoReason.of(e));
        }
    }

    private static String await(CompletableFuture<String> end, Runnable told)
            throws InterruptedException {
        while (true) {
            try {
                return end.get(Guest.TOLD_EVERY.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                told.run();
            } catch (ExecutionException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /// What brings pages to guests while they run.
    PageService pages() {
        return pages;
    }

    private static MigrationLink link(SavePlace place) throws Refused {
        try {
            return new MigrationLink(DetachableChannel.connect(place.path()));
        } catch (IOException e) {
            throw SavedChannel.refused(place, e);
        }
    }

    /// Takes a guest of another host. It comes on a thread of its own: when it is there, and its source is not known to
    /// have decided, it has to stay though the caller goes.
    ///
    /// @param place the socket that leads to the source
    /// @param peer the source, for an operator
    /// @return its name
    /// @throws Refused if it does not run here
    public String receive(SavePlace place, String peer) throws Refused, InterruptedException {
        MigrationTarget target =
                new MigrationTarget(hypervisor, this, migrations, link(place), peer);
        CompletableFuture<String> end = new CompletableFuture<>();
        Thread _ =
                Thread.ofPlatform()
                        .daemon()
                        .name("migration-in")
                        .start(() -> {
                            try {
                                end.complete(target.run());
                            } catch (Refused | InterruptedException | RuntimeException | Error e) {
                                end.completeExceptionally(e);
                            }
                        });
        try {
            return end.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Refused refused) {
                throw new Refused(refused.kind(), refused.reason());
            }
            throw new IllegalStateException("a guest that was to come", e);
        }
    }

    /// Checks that a guest may have a name.
    ///
    /// @throws Refused if another one has it
    synchronized void requireFree(String name) throws Refused {
        if (isTaken(name)) {
            throw new Refused("a domain has this name already: " + name);
        }
    }

    /// Saves several guests in one file, at one moment.
    ///
    /// @param domains of the guests
    /// @param then what becomes of all of them
    /// @param told gets the progress from time to time, on this thread
    /// @return for how long they stood still, if they go on
    /// @throws Refused if that cannot be done; all of them go on
    public Duration save(
            List<Domain> domains,
            SavePlace place,
            DomainOrder.Then then,
            Consumer<WorkProgress> told)
            throws Refused, InterruptedException {
        WorkProgress progress = new WorkProgress();
        SaveParty party = new SaveParty(domains.size());
        DriverRequest.Save save = new DriverRequest.Save(place, then, false, progress, party);
        List<DriverRequest> requests = new ArrayList<>();
        boolean done = false;
        try {
            for (Domain domain : domains) {
                String name = domain.config().name();
                HostedGuest guest = named(name);
                if (guest == null) {
                    throw Refused.noSuchDomain(name);
                }
                DriverRequest request = DriverRequest.of(save, domain.id());
                requests.add(request);
                guest.put(request);
            }
            await(requests, party, () -> told.accept(progress));
            done = true;
            return party.stoodStill();
        } finally {
            if (!done) {
                progress.cancel();
                party.giveUp(new Refused("the save was given up"));
            }
        }
    }

    /// Waits until the drivers have answered. Of several, those that come late are not waited for: one of them may wait
    /// for a driver of another save, which waits for it.
    private static void await(List<DriverRequest> requests, SaveParty party, Runnable told)
            throws Refused, InterruptedException {
        long deadline = System.nanoTime() + GATHER_LIMIT.toNanos();
        Deque<DriverRequest> waiting = new ArrayDeque<>(requests);
        while (!waiting.isEmpty()) {
            // One that was refused at once has its answer, while others wait for its guest.
            DriverRequest next =
                    waiting.stream()
                            .filter(DriverRequest::isAnswered)
                            .findFirst()
                            .orElseGet(waiting::getFirst);
            if (Guest.isAnswered(next)) {
                waiting.remove(next);
                continue;
            }
            told.run();
            if (requests.size() > 1 && System.nanoTime() - deadline > 0) {
                party.giveUp(
                        new Refused(
                                "one of the guests is busy: it was not ready within %d s"
                                        .formatted(GATHER_LIMIT.toSeconds())));
            }
        }
    }

    private HostedGuest add(GuestRequest request, Guest guest, boolean paused) throws Refused {
        String name = request.config().name();
        HostedGuest hosted =
                HostedGuest.booting(hypervisor, name, guest, paused, () -> ended(name));
        synchronized (this) {
            if (closed) {
                throw Refused.serviceEnds();
            }
            if (isTaken(name)) {
                throw new Refused("a domain has this name already: " + name);
            }
            guests.put(name, hosted);
        }
        return hosted;
    }

    /// Keeps a stopped domain as a guest of its own, under its guest's name with the time, as xl does.
    ///
    /// @return false if the service ends, or too many of the guest's domains stay already
    private boolean keep(StoppedBoot stopped) {
        String origin = stopped.request().config().name();
        String name;
        synchronized (this) {
            if (closed) {
                return false;
            }
            if (Collections.frequency(origins.values(), origin) == maxKept) {
                log.warn(
                        "{} does not stay: {} stopped domains of this guest are preserved already",
                        stopped.boot().domain(),
                        maxKept);
                return false;
            }
            name = freeName(origin, Instant.now());
            reserved.add(name);
            origins.put(name, origin);
        }
        Guest guest = new Guest(stopped, name, dumps);
        HostedGuest kept = HostedGuest.preserved(hypervisor, name, guest, () -> ended(name));
        boolean ending;
        synchronized (this) {
            reserved.remove(name);
            guests.put(name, kept);
            ending = closed;
        }
        kept.begin();
        if (ending) {
            kept.endAtStop();
        }
        return true;
    }

    @GuardedBy("this")
    private boolean isTaken(String name) {
        return guests.containsKey(name) || reserved.contains(name);
    }

    /// A name for a domain that stays, which no other guest has. A long name is cut.
    @GuardedBy("this")
    private String freeName(String name, Instant now) {
        String time = "-" + SUFFIX.format(now);
        String free = name;
        int i = 1;
        do {
            String suffix = i == 1 ? time : time + "-" + i;
            String kept = name;
            while ((kept + suffix).getBytes(UTF_8).length > DomainConfig.MAX_NAME_BYTES) {
                kept = kept.substring(0, kept.offsetByCodePoints(kept.length(), -1));
            }
            free = kept + suffix;
            i++;
        } while (isTaken(free));
        return free;
    }

    private synchronized void ended(String name) {
        guests.remove(name);
        origins.remove(name);
    }

    /// The guest of a name, if there is one.
    public synchronized @Nullable HostedGuest named(String name) {
        return guests.get(name);
    }

    /// Takes the guests of another process of this service over, and what its XenStore has. When this returns, they run
    /// here.
    ///
    /// @param link to that process, which has been told nothing yet; the caller closes it
    /// @param program this one's name and version
    /// @param abandoned gets the reason when the other process keeps them. It ends this process, and does not return:
    ///     an orderly end would unplug what the other one still uses
    /// @return for how long they have not run
    /// @throws Refused if the other process has them
    public Duration takeOver(UpdateLink link, String program, Consumer<String> abandoned)
            throws Refused, InterruptedException {
        Duration downtime = new UpdateTarget(hypervisor, this, link, abandoned).run(program);
        migrations.addLeft();
        return downtime;
    }

    /// Ends the consoles here of guests that another process runs now. Their readers get what was printed here.
    ///
    /// @param limit the longest wait for readers
    void endConsoles(Duration limit) throws InterruptedException {
        List<HostedGuest> all = present();
        for (HostedGuest guest : all) {
            guest.console().close();
            guest.serial().close();
        }
        long deadline = System.nanoTime() + limit.toNanos();
        for (HostedGuest guest : all) {
            guest.console().awaitReaders(Duration.ofNanos(deadline - System.nanoTime()));
            guest.serial().awaitReaders(Duration.ofNanos(deadline - System.nanoTime()));
        }
    }

    /// The guests that there are.
    synchronized List<HostedGuest> present() {
        return List.copyOf(guests.values());
    }

    /// Checks that a guest does not move from or to another host.
    ///
    /// @param name of a guest, or any other word
    /// @throws Refused if it does, with the state's name
    public void requireNotMoving(String name) throws Refused {
        if (name.endsWith(MigrationTarget.SUFFIX)) {
            throw new Refused(name + " is not here yet: it comes from another host");
        }
        if (state(name) == GuestState.MIGRATING) {
            throw Refusal.MIGRATING.of(name);
        }
    }

    /// The state of the guest of a name; ENDED if there is none.
    GuestState state(String name) {
        HostedGuest guest = named(name);
        return guest == null ? GuestState.ENDED : guest.state();
    }

    /// Takes no more guests. The present ones end when they next stop; stopped ones end now.
    public void end() {
        List<HostedGuest> last;
        synchronized (this) {
            closed = true;
            last = List.copyOf(guests.values());
        }
        last.forEach(HostedGuest::endAtStop);
    }

    @Override
    public synchronized List<String> left() {
        return List.copyOf(guests.keySet());
    }

    @Override
    public void ask() {
        List<HostedGuest> all;
        synchronized (this) {
            all = List.copyOf(guests.values());
        }
        for (HostedGuest guest : all) {
            if (!asked.contains(guest) && guest.askToPowerOff()) {
                asked.add(guest);
            }
        }
    }

    /// Ends all guests at once. One that is about to reboot may leave its domain as another guest, which ends too.
    @Override
    public void close() {
        try {
            for (List<HostedGuest> ending = closing(); !ending.isEmpty(); ending = closing()) {
                // Before the first is waited for: those that stand still together end together.
                ending.forEach(HostedGuest::destroy);
                for (HostedGuest guest : ending) {
                    guest.stop();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        models.close();
        pages.close();
    }

    private synchronized List<HostedGuest> closing() {
        closed = true;
        return List.copyOf(guests.values());
    }
}
