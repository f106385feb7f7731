package io.xenemu.core.guest;

import static io.xenemu.core.guest.SharingGuests.GRANTED_GFN;
import static io.xenemu.core.guest.SharingGuests.MAPPED_GFN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.hypervisor.NamedDomains;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// Two guests that share a page and an event channel, and two services between which they move. `db` counts, in memory
/// of its own and in the page of `web` that it maps, and sends an event for each number. `web` looks at the number with
/// each event.
final class MigratedPair extends TwoSides {
    static final String WEB = "web";
    static final String DB = "db";
    private static final int PAGE = 4096;

    /// Pages of `db`, of which each number is written to one.
    private static final int FIRST = 700;

    private static final int PAGES = 50;

    final Domain web;
    final Domain db;
    private final EvtchnPort offered;
    private final EvtchnPort bound;
    private final AtomicLong sent = new AtomicLong();
    private final AtomicLong seen = new AtomicLong();
    private volatile boolean counts = true;
    private volatile boolean hasRunAtB;
    private volatile boolean hasRunTwice;
    private volatile boolean hasRunWithoutDisk;
    private volatile @Nullable String failure;

    MigratedPair(Path folder) throws Exception {
        super(folder);
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
        web = create(WEB);
        db = create(DB);
        offered = web.eventChannels().allocUnbound(DomId.SELF, db.id());
        bound = db.eventChannels().bindInterdomain(web.id(), offered);
        int _ = SharingGuests.map(web, db);
        a.domains().runs(running -> step(a, running));
        b.domains().runs(running -> step(b, running));
    }

    private Domain create(String name) throws Exception {
        guestsA.create(request(name), false);
        return a.next();
    }

    /// A guest of this name, with a disk that both services see.
    GuestRequest request(String name) throws Exception {
        Path disk = Files.write(folder.resolve(name + ".disk"), new byte[PAGE]);
        DomainConfig config = WebGuest.config(1);
        return new GuestRequest(
                name.equals(WEB) ? config : config.sibling(name),
                1,
                folder.resolve("kernel"),
                List.of(),
                "",
                PlatformSettings.DEFAULT,
                EndActions.ONCE,
                List.of(DiskSpec.parse(List.of(disk + ",raw,xvda,rw"))),
                true,
                EngineMap.DEFAULT,
                null,
                null);
    }

    /// Lets `db` also run whenever the source has taken pages out of its log, so that no round is without writes.
    void alwaysWrites() {
        a.domains()
                .vm(db)
                .whenForgotten(() -> {
                    if (!db.vcpus().getFirst().isHeld()) {
                        step(a, db);
                    }
                });
    }

    /// The guests' program.
    private synchronized void step(FakeHypervisor where, Domain running) {
        if (where.equals(b)) {
            hasRunAtB = true;
        } else if (hasRunAtB) {
            hasRunTwice = true;
        }
        if ((where.equals(a) ? disksA : disksB).open() == 0) {
            hasRunWithoutDisk = true;
        }
        try {
            if (running.config().name().equals(WEB)) {
                look(running);
            } else if (counts) {
                count(where, running);
            }
        } catch (XenError e) {
            failure = running + ": " + e.symbol();
        }
    }

    private void count(FakeHypervisor where, Domain running) throws XenError {
        long number = sent.get();
        long at = (FIRST + number % PAGES) * PAGE;
        long before = running.memory().guest().read64(at);
        if (before != Math.max(0, number - PAGES)) {
            failure = "%d where %d was written".formatted(before, number - PAGES);
        }
        FakeVm vm = where.domains().vm(running);
        if (vm.guestReads(MAPPED_GFN * PAGE) != number) {
            failure = "what it had written to the page that it maps is not there";
        }
        running.memory().guest().write64(at, number);
        vm.guestWrites(
                MAPPED_GFN * PAGE,
                ByteBuffer.allocate(Long.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(number + 1)
                        .array());
        running.eventChannels().send(bound);
        sent.set(number + 1);
    }

    private void look(Domain running) throws XenError {
        if (SharingGuests.takePending(running, offered)) {
            long number = running.memory().guest().read64(GRANTED_GFN * PAGE);
            if (number < seen.get()) {
                failure = "%d after %d".formatted(number, seen.get());
            }
            seen.set(number);
        }
    }

    /// A guest of a name without a disk.
    GuestRequest diskless(String name) {
        String kernel = folder.resolve("kernel").toString();
        return WebGuest.request(folder.resolve("kernel")).sibling(name, kernel);
    }

    /// Moves both over a carrier.
    ///
    /// @return the failure of the source and of the target; null for none
    List<Throwable> migrate(TestCarrier carrier, MigrationOptions options) throws Exception {
        FutureTask<String> target = begun(() -> guestsB.receive(carrier.target(), "host a"));
        FutureTask<Migration.Status> source =
                begun(() ->
                        guestsA.migrate(
                                List.of(web, db), carrier.source(), "host b", options, _ -> {}));
        return failures(source, target);
    }

    boolean hasRunAtB() {
        return hasRunAtB;
    }

    /// Checks that both run at this side alone, and that nothing is lost.
    void assertRunAt(FakeHypervisor where) throws Exception {
        awaitCounts();
        counts = false;
        Eventually.holds("web has seen all", () -> seen.get() == sent.get());
        counts = true;
        awaitCounts();
        assertFalse(hasRunTwice, "a guest has run at both sides");
        assertFalse(hasRunWithoutDisk, "a guest has run where its disk was not open");
        assertEquals(2, disksA.open() + disksB.open());
        NamedDomains named = new NamedDomains(where.hypervisor.operated());
        for (Domain before : List.of(web, db)) {
            Domain now = named.named(before.config().name());
            assertEquals(before.id(), now.id());
        }
        assertEquals(1, named.named(WEB).grantTable().save().mappings().size());
        assertEquals(1, named.named(DB).grantTable().save().tracked().size());
    }

    private void awaitCounts() {
        long from = sent.get();
        long fromSeen = seen.get();
        Eventually.holds(
                "both run",
                () -> failure != null || (sent.get() > from + 3 && seen.get() > fromSeen));
        assertEquals(null, failure);
    }

    /// The names of the guests of a side.
    static List<String> names(HostedGuests guests) {
        return guests.left().stream().sorted().toList();
    }

    /// Decides on a side, by the name of one of them.
    static void resolve(HostedGuests guests, String name, Migration.Resolution answer)
            throws Refused {
        guests.migrations().resolve(name, answer);
    }
}
