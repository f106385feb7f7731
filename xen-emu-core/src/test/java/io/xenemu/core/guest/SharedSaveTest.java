package io.xenemu.core.guest;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.migration.SavedReport;
import io.xenemu.core.paging.LatePagesNeeds;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/// Guests that share event channels and pages are saved in one file. Their domains run no code.
@Timeout(120)
final class SharedSaveTest {
    private static final int CYCLES = 12;

    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake = new FakeHypervisor();
    private final OperatedDomains domains = fake.hypervisor.operated();
    private final HostedGuests guests =
            new HostedGuests(fake.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    @BeforeEach
    void writeKernel() throws IOException {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        guests.close();
        fake.close();
    }

    private Domain create(String name) throws Exception {
        DomainConfig config =
                new DomainConfig(
                        name,
                        UUID.nameUUIDFromBytes(name.getBytes(UTF_8)),
                        GuestMemoryMap.MIN_BYTES,
                        1,
                        4 << 16 | 19,
                        GrantLimits.defaults(),
                        EventChannelConfig.DEFAULT);
        guests.create(
                new GuestRequest(
                        config,
                        1,
                        folder.resolve("kernel"),
                        List.of(),
                        "",
                        PlatformSettings.DEFAULT,
                        EndActions.DEFAULT,
                        true),
                false);
        return fake.next();
    }

    private SavePlace file() {
        return new SavePlace(folder.resolve("saved"), SavePlace.Kind.FILE);
    }

    private void save(DomainOrder.Then then, Domain... all) throws Exception {
        List<HostedGuest> hosted = new ArrayList<>();
        for (Domain domain : all) {
            hosted.add(guests.named(domain.config().name()));
        }
        var _ = guests.save(List.of(all), file(), then, _ -> {});
        for (HostedGuest guest : hosted) {
            if (then == DomainOrder.Then.END) {
                guest.awaitEnd();
            }
        }
    }

    private void restore() throws Exception {
        guests.restore(file(), ClockPolicy.STAND_STILL, false, false, _ -> {});
    }

    private List<DomId> ids() {
        List<DomId> ids = new ArrayList<>();
        domains.forEach(domain -> ids.add(domain.id()));
        return ids;
    }

    private static String refusal(Executable refused) {
        return assertThrows(Refused.class, refused).reason();
    }

    private static EvtchnStatus status(Domain domain, EvtchnPort port) throws XenError {
        return domain.eventChannels().status(DomId.SELF, port);
    }

    @Test
    void channelsAndPagesBetweenThemAreCarried() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        EvtchnPort offered = web.eventChannels().allocUnbound(DomId.SELF, db.id());
        EvtchnPort bound = db.eventChannels().bindInterdomain(web.id(), offered);
        int handle = SharingGuests.map(web, db);
        EvtchnStatus before = status(db, bound);

        save(DomainOrder.Then.END, db, web);
        assertEquals(List.of(), ids());
        restore();
        Domain web2 = fake.next();
        Domain db2 = fake.next();

        assertEquals(List.of(web.id(), db.id()), ids());
        assertEquals(before, status(db2, bound));
        assertTrue(SharingGuests.takePending(web2, offered), "an event may have been under way");
        assertTrue(SharingGuests.takePending(db2, bound));
        db2.eventChannels().send(bound);
        assertTrue(SharingGuests.takePending(web2, offered));
        web2.eventChannels().send(offered);
        assertTrue(SharingGuests.takePending(db2, bound));
        assertEquals(1, web2.grantTable().save().mappings().size());
        assertEquals(1, db2.grantTable().save().tracked().size());
        assertFalse(db2.isHeld());
        assertEquals(GrantStatus.OKAY, SharingGuests.unmap(db2, handle));
        assertEquals(List.of(), web2.grantTable().save().mappings());
        web2.eventChannels().close(offered);
        assertEquals(EvtchnStatus.Unbound.class, status(db2, bound).getClass());
    }

    @Test
    void channelsAndPagesBetweenThemAreHandedOver() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        EvtchnPort offered = web.eventChannels().allocUnbound(DomId.SELF, db.id());
        EvtchnPort bound = db.eventChannels().bindInterdomain(web.id(), offered);
        int handle = SharingGuests.map(web, db);
        try (FakeHypervisor next = new FakeHypervisor();
                HostedGuests guestsThere =
                        new HostedGuests(next.hypervisor, folder, folder.resolve("records"))) {
            assertEquals(List.of("left", "taken"), HandOver.run(folder, fake, guests, guestsThere));
            Domain web2 = next.next();
            Domain db2 = next.next();
            boolean _ =
                    SharingGuests.takePending(web2, offered)
                            && SharingGuests.takePending(db2, bound);
            db2.eventChannels().send(bound);
            assertTrue(SharingGuests.takePending(web2, offered));
            assertEquals(1, web2.grantTable().save().mappings().size());
            assertEquals(1, db2.grantTable().save().tracked().size());
            assertEquals(GrantStatus.OKAY, SharingGuests.unmap(db2, handle));
        }
    }

    @Test
    void nothingIsLostOverManyCycles() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        int handle = SharingGuests.map(web, db);
        List<EvtchnPort> offered = new ArrayList<>();
        List<EvtchnPort> bound = new ArrayList<>();
        for (int i = 0; i < CYCLES; i++) {
            Domain one = i % 2 == 0 ? web : db;
            Domain other = i % 2 == 0 ? db : web;
            offered.add(one.eventChannels().allocUnbound(DomId.SELF, other.id()));
            bound.add(other.eventChannels().bindInterdomain(one.id(), offered.getLast()));

            save(DomainOrder.Then.END, web, db);
            restore();
            web = fake.next();
            db = fake.next();

            for (int channel = 0; channel <= i; channel++) {
                Domain from = channel % 2 == 0 ? web : db;
                Domain to = channel % 2 == 0 ? db : web;
                boolean _ = SharingGuests.takePending(to, bound.get(channel));
                from.eventChannels().send(offered.get(channel));
                assertTrue(SharingGuests.takePending(to, bound.get(channel)));
            }
            assertEquals(1, web.grantTable().save().mappings().size());
        }
        assertEquals(GrantStatus.OKAY, SharingGuests.unmap(db, handle));
    }

    /// One guest counts, with an event for each number, and the other looks at the number with each event.
    private static final class Counting {
        final AtomicLong sent = new AtomicLong();
        final AtomicLong seen = new AtomicLong();
        final AtomicReference<@Nullable XenError> failure = new AtomicReference<>();
        final AtomicBoolean isOver = new AtomicBoolean();
        private final EvtchnPort offered;
        private final EvtchnPort bound;

        Counting(EvtchnPort offered, EvtchnPort bound) {
            this.offered = offered;
            this.bound = bound;
        }

        /// What the vCPU of each guest does.
        void step(Domain running) {
            if (running.config().name().equals("web")) {
                if (SharingGuests.takePending(running, offered)) {
                    seen.set(sent.get());
                }
            } else if (!isOver.get()) {
                sent.incrementAndGet();
                try {
                    running.eventChannels().send(bound);
                } catch (XenError e) {
                    failure.set(e);
                }
            }
        }
    }

    @Test
    void noEventIsLostThatOneSendsWhileBothAreSaved() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        EvtchnPort offered = web.eventChannels().allocUnbound(DomId.SELF, db.id());
        EvtchnPort bound = db.eventChannels().bindInterdomain(web.id(), offered);
        Counting counting = new Counting(offered, bound);
        fake.domains().runs(counting::step);
        for (int i = 0; i < CYCLES; i++) {
            long before = counting.seen.get();
            Eventually.holds("they count", () -> counting.seen.get() > before);
            save(DomainOrder.Then.END, web, db);
            restore();
            web = fake.next();
            db = fake.next();
        }
        counting.isOver.set(true);
        Eventually.holds("all is seen", () -> counting.seen.get() == counting.sent.get());
        assertNull(counting.failure.get());
    }

    /// A copy of another domain's is in the saved guest, or its domain is told that it was not done.
    @Test
    void copiesOfAnotherGuestAreSavedOrRefused() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        try (CopyingNeighbour neighbour = new CopyingNeighbour(db, web)) {
            for (int i = 0; i < CYCLES; i++) {
                neighbour.start();
                neighbour.await(GrantStatus.OKAY);
                save(DomainOrder.Then.GO_ON, web);
                neighbour.await(GrantStatus.OKAY);
                save(DomainOrder.Then.END, web);
                neighbour.await(GrantStatus.BAD_DOMAIN);
                restore();
                web = fake.next();
                neighbour.await(GrantStatus.OKAY);
                neighbour.stopAndCompare(web);
            }
        }
    }

    @Test
    void checkpointOfTwoLetsBothGoOnAndTellsHowLongTheyStood() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        int handle = SharingGuests.map(web, db);

        assertTrue(
                guests.save(List.of(web, db), file(), DomainOrder.Then.GO_ON, _ -> {})
                        .isPositive());

        assertFalse(web.isHeld());
        assertFalse(db.isHeld());
        assertEquals(GrantStatus.OKAY, SharingGuests.unmap(db, handle));
        SavedReport report = SavedReport.read(FileChannel.open(file().path()));
        assertEquals(
                List.of("web", "db"),
                report.guests().stream().map(guest -> guest.head().guest().name()).toList());
        save(DomainOrder.Then.STAY_PAUSED, web, db);
        assertTrue(web.isPaused() && db.isPaused());
    }

    @Test
    void whatAThirdGuestSharesStillBlocks() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        Domain third = create("third");
        EvtchnPort offered = web.eventChannels().allocUnbound(DomId.SELF, third.id());
        third.eventChannels().bindInterdomain(web.id(), offered);
        SharingGuests.map(db, third);

        assertEquals(
                "web cannot be saved: evtchn: it has an event channel to dom3\n"
                        + "db cannot be saved: grants: dom3 maps pages of it",
                refusal(() -> save(DomainOrder.Then.END, web, db)));
        assertEquals(
                "third cannot be saved: grants: it maps pages of dom2\n"
                        + "evtchn: it has an event channel to dom1",
                refusal(() ->
                        domains.order(
                                third,
                                new DomainOrder.Save(
                                        file(), DomainOrder.Then.END, false, _ -> {}, _ -> {}))));
        assertFalse(web.isHeld() || db.isHeld() || third.isHeld());
        assertFalse(Files.exists(file().path()));
        save(DomainOrder.Then.END, third, db, web);
        restore();
        assertEquals(3, ids().size());
    }

    @Test
    void allAreRestoredOrNone() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        SharingGuests.map(web, db);
        save(DomainOrder.Then.END, web, db);
        Domain other = create("db");

        assertEquals("a domain has this name already: db", refusal(this::restore));
        assertEquals(List.of(other.id()), ids());
        assertNull(guests.named("web"));

        HostedGuest left = guests.named("db");
        domains.destroy(other);
        if (left != null) {
            left.awaitEnd();
        }
        byte[] good = Files.readAllBytes(file().path());
        for (int cut = 1; cut < 4; cut++) {
            Files.write(file().path(), Arrays.copyOf(good, good.length * cut / 4));
            Exception e = assertThrows(Exception.class, this::restore);
            assertTrue(e instanceof Refused || e instanceof BootException, e::toString);
            assertEquals(file().path() + ": the saved guest is cut off", e.getMessage());
            assertEquals(List.of(), ids());
            assertNull(guests.named("web"));
        }
        Files.write(file().path(), good);
        restore();
        assertEquals(List.of(web.id(), db.id()), ids());
    }

    @Test
    void memoryOfSeveralCannotComeLater() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        save(DomainOrder.Then.END, create("web"), create("db"));

        Exception e =
                assertThrows(
                        BootException.class,
                        () ->
                                guests.restore(
                                        file(), ClockPolicy.STAND_STILL, true, false, _ -> {}));

        assertEquals(
                file().path()
                        + ": there is more than one guest in it: their memory cannot come later",
                e.getMessage());
        assertEquals(List.of(), ids());
        assertNull(guests.named("web"));
    }

    @Test
    void oneThatIsNotThereKeepsTheOtherRunning() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        HostedGuest gone = guests.named("db");
        domains.destroy(db);
        if (gone != null) {
            gone.awaitEnd();
        }

        assertEquals("no such domain: db", refusal(() -> save(DomainOrder.Then.END, web, db)));

        domains.order(web, DomainOrder.Plain.PAUSE);
        domains.order(web, DomainOrder.Plain.UNPAUSE);
        assertFalse(web.isHeld());
    }

    @Test
    void saveThatWasGivenUpTakesNoGuest() {
        SaveParty party = new SaveParty(2);
        party.giveUp(new Refused("one of the guests is busy"));
        party.giveUp(new Refused("another reason"));
        assertEquals(
                "one of the guests is busy", refusal(() -> party.await(new GuestInbox("web"))));
    }
}
