package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.client.XenStoreClient;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Guests whose domains run no code, with a real XenStore: an operator's requests, and stops of the guest itself.
@Timeout(120)
final class GuestDriverTest {
    private static final int XEN_VERSION = 4 << 16 | 19;
    private static final String NAME = "web";

    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake = new FakeHypervisor();
    private final Hypervisor hypervisor = fake.hypervisor;
    private final OperatedDomains domains = hypervisor.operated();

    @BeforeEach
    void writeKernel() throws IOException {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        fake.close();
    }

    private GuestRequest request(boolean reboot) {
        return request(reboot ? EndActions.DEFAULT : EndActions.ONCE);
    }

    private GuestRequest request(EndActions ends) {
        DomainConfig config =
                new DomainConfig(
                        NAME,
                        new UUID(1, 2),
                        GuestMemoryMap.MIN_BYTES,
                        2,
                        XEN_VERSION,
                        GrantLimits.defaults(),
                        EventChannelConfig.DEFAULT);
        return new GuestRequest(
                config,
                1,
                folder.resolve("kernel"),
                List.of(),
                "",
                PlatformSettings.DEFAULT,
                ends,
                true);
    }

    private String shutdownNode(Domain domain) throws XenError {
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            return client.read("/local/domain/" + domain.id().value() + "/control/shutdown");
        }
    }

    private List<DomId> ids() {
        List<DomId> ids = new ArrayList<>();
        domains.forEach(domain -> ids.add(domain.id()));
        return ids;
    }

    @Test
    void startedGuestRunsUntilItPowersOff() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        assertEquals(GuestState.RUNNING, guest.state());
        assertEquals(List.of(domain.id()), ids());
        assertFalse(domain.isPaused());

        domain.shutdown(ShutdownReason.POWEROFF, "");

        assertEquals(RunOutcome.POWEROFF, run.get());
        assertEquals(GuestState.ENDED, guest.state());
        assertEquals(List.of(), ids());
    }

    /// A guest on KVM has one more part, which blocks a save.
    @Test
    void everyPartOfAGuestStandsStillAnswersASaveAndGoesOn() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();

        assertEquals(List.of(), domain.parts().blockers());
        byte[] stream = XenState.write(domain.parts().quiesceAndSave());
        assertTrue(domain.vcpus().getFirst().isHeld());
        domain.parts().resume();

        assertEquals(domain.id(), SavedGuest.read(new ByteArrayInputStream(stream)).xen().id());
        assertFalse(domain.vcpus().getFirst().isHeld());
        domain.shutdown(ShutdownReason.POWEROFF, "");
        assertEquals(RunOutcome.POWEROFF, run.get());
    }

    @Test
    void guestCreatedPausedWaitsForAnUnpause() throws Exception {
        try (HostedGuests guests =
                new HostedGuests(hypervisor, folder, folder.resolve("migrations"))) {
            guests.create(request(true), true);
            Domain domain = fake.next();
            assertTrue(domain.isPaused());

            domains.order(domain, DomainOrder.Plain.UNPAUSE);

            assertFalse(domain.isPaused());
        }
        assertEquals(List.of(), ids());
    }

    @Test
    void pausesNest() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();

        domains.order(domain, DomainOrder.Plain.PAUSE);
        domains.order(domain, DomainOrder.Plain.PAUSE);
        domains.order(domain, DomainOrder.Plain.UNPAUSE);
        assertTrue(domain.isPaused());
        assertEquals(GuestState.PAUSED, guest.state());
        domains.order(domain, DomainOrder.Plain.UNPAUSE);
        assertFalse(domain.isPaused());
        assertEquals(GuestState.RUNNING, guest.state());
        Refused e =
                assertThrows(Refused.class, () -> domains.order(domain, DomainOrder.Plain.UNPAUSE));
        assertEquals("web is not paused", e.reason());

        domains.destroy(domain);
        domains.awaitEnd(domain);
        assertEquals(RunOutcome.STOPPED, run.get());
        assertEquals(
                "no such domain: web",
                assertThrows(Refused.class, () -> domains.order(domain, DomainOrder.Plain.PAUSE))
                        .reason());
        domains.destroy(domain);
        domains.order(domain, DomainOrder.Plain.POWER_OFF);
    }

    @Test
    void guestIsAskedByXenStore() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();

        domains.order(domain, DomainOrder.Plain.REBOOT);
        assertEquals("reboot", shutdownNode(domain));
        domains.order(domain, DomainOrder.Plain.PAUSE);
        domains.order(domain, DomainOrder.Plain.POWER_OFF);
        assertEquals("poweroff", shutdownNode(domain));

        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    private FutureTask<Void> suspend(Domain domain) {
        FutureTask<Void> suspend =
                new FutureTask<>(() -> {
                    domains.order(domain, DomainOrder.Plain.SUSPEND);
                    return null;
                });
        Thread.ofPlatform().start(suspend);
        return suspend;
    }

    private static String refusal(FutureTask<Void> order) {
        ExecutionException e = assertThrows(ExecutionException.class, order::get);
        return assertInstanceOf(Refused.class, e.getCause()).reason();
    }

    @Test
    void guestSuspendsWhenItIsAskedAndGoesOnWhenItIsResumed() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        Refused e =
                assertThrows(Refused.class, () -> domains.order(domain, DomainOrder.Plain.RESUME));
        assertEquals("web is not suspended", e.reason());

        for (int i = 0; i < 3; i++) {
            FutureTask<Void> suspend = suspend(domain);
            Eventually.holds("it is asked", () -> shutdownNode(domain).equals("suspend"));
            assertEquals("web is about to suspend", refusal(suspend(domain)));
            acknowledge(domain);
            domain.suspension().suspend(domain.vcpus().get(1));

            assertNull(suspend.get());
            assertEquals(GuestState.SUSPENDED, guest.state());
            assertTrue(domain.vcpus().getFirst().isHeld());
            assertEquals("web is suspended", refusal(suspend(domain)));
            domains.order(domain, DomainOrder.Plain.RESUME);
            assertEquals(GuestState.RUNNING, guest.state());
            assertFalse(domain.vcpus().getFirst().isHeld());
        }

        domain.suspension().suspend(domain.vcpus().getFirst());
        Eventually.holds("it suspends unasked", () -> guest.state() == GuestState.SUSPENDED);
        domains.destroy(domain);
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    private void acknowledge(Domain domain) throws XenError {
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            client.write("/local/domain/" + domain.id().value() + "/control/shutdown", "");
        }
    }

    @Test
    void guestThatXenStoreHasLetGoOfRunsAgainWhenItIsResumed() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        domain.suspension().suspend(domain.vcpus().getFirst());
        Eventually.holds("it suspends", () -> guest.state() == GuestState.SUSPENDED);
        hypervisor.xenstore().release(domain.id());

        Refused e =
                assertThrows(Refused.class, () -> domains.order(domain, DomainOrder.Plain.RESUME));

        assertEquals("web is resumed, but XenStore does not know it: ENOENT", e.reason());
        assertEquals(GuestState.RUNNING, guest.state());
        assertFalse(domain.vcpus().getFirst().isHeld());
        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    @Test
    void guestThatDoesNotSuspendInTimeIsNoLongerAsked() throws Exception {
        Guest guest = new Guest(request(true), folder, Duration.ofMillis(100), _ -> false);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();

        assertEquals("web has not suspended within 0 s", refusal(suspend(domain)));
        assertEquals("", shutdownNode(domain));
        assertEquals(GuestState.RUNNING, guest.state());

        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    @Test
    void guestThatEndsDoesNotSuspend() throws Exception {
        FutureTask<RunOutcome> run = fake.start(new Guest(request(true), folder));
        Domain domain = fake.next();
        FutureTask<Void> suspend = suspend(domain);
        Eventually.holds("it is asked", () -> shutdownNode(domain).equals("suspend"));

        domain.shutdown(ShutdownReason.POWEROFF, "");

        assertEquals("no such domain: web", refusal(suspend));
        assertEquals(RunOutcome.POWEROFF, run.get());
    }

    private String node(Domain domain, String path) throws XenError {
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            return client.read("/local/domain/" + domain.id().value() + "/" + path);
        }
    }

    private static void assertConnected(Domain domain, int port) throws XenError {
        assertInstanceOf(
                EvtchnStatus.Interdomain.class,
                domain.eventChannels().status(DomId.SELF, EvtchnPort.of(port)));
    }

    @Test
    void softResetKeepsTheDomainAndConnectsItAnew() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        domains.order(domain, DomainOrder.Plain.PAUSE);
        domain.memory().write(0x1000, new byte[] {42});

        for (int i = 0; i < 2; i++) {
            EvtchnPort mine = domain.eventChannels().bindIpi(new VcpuId(1));
            domains.order(domain, DomainOrder.Plain.POWER_OFF);
            domain.suspension().askForSoftReset(domain.vcpus().get(1));
            Eventually.holds("it goes on", () -> !domain.suspension().isHeld());

            assertEquals(GuestState.PAUSED, guest.state());
            assertTrue(domain.isHeld());
            assertEquals(List.of(domain.id()), ids());
            assertEquals("", shutdownNode(domain));
            int store = (int) domain.params().get(HvmParams.STORE_EVTCHN);
            assertEquals(Integer.toString(store), node(domain, "store/port"));
            assertConnected(domain, store);
            int console = (int) domain.params().get(HvmParams.CONSOLE_EVTCHN);
            assertEquals(Integer.toString(console), node(domain, "console/port"));
            assertConnected(domain, console);
            assertInstanceOf(
                    EvtchnStatus.Closed.class, domain.eventChannels().status(DomId.SELF, mine));
        }
        assertEquals(42, domain.memory().guest().read8(0x1000));
        assertEquals(List.of(), domain.parts().blockers());
        byte[] stream = XenState.write(domain.parts().quiesceAndSave());
        domain.parts().resume();
        assertEquals(domain.id(), SavedGuest.read(new ByteArrayInputStream(stream)).xen().id());

        domain.shutdown(ShutdownReason.POWEROFF, "");
        assertEquals(RunOutcome.POWEROFF, run.get());
    }

    @Test
    void softResetEndsTheGuestIfThatIsItsAction() throws Exception {
        Guest guest = new Guest(request(EndActions.ONCE), folder);
        FutureTask<RunOutcome> run = fake.start(guest);

        Domain domain = fake.next();
        domain.suspension().askForSoftReset(domain.vcpus().getFirst());

        assertEquals(RunOutcome.OTHER_SHUTDOWN, run.get());
    }

    @Test
    void softResetAfterAnAnnouncedOneThatAnOperatorMadeIsAnEnd() throws Exception {
        FutureTask<RunOutcome> run = fake.start(new Guest(request(true), folder));
        Domain domain = fake.next();
        domain.announceShutdown(ShutdownReason.SOFT_RESET.code());

        domain.shutdown(ShutdownReason.REBOOT, "");

        assertEquals(RunOutcome.OTHER_SHUTDOWN, run.get());
    }

    @Test
    void requestToSuspendEndsWithASoftReset() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        FutureTask<Void> suspend = suspend(domain);
        Eventually.holds("it is asked", () -> shutdownNode(domain).equals("suspend"));

        domain.suspension().askForSoftReset(domain.vcpus().getFirst());

        assertEquals("web has been reset", refusal(suspend));
        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    @Test
    void rebootIsANewDomainWithoutPauses() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain first = fake.next();
        domains.order(first, DomainOrder.Plain.PAUSE);

        first.shutdown(ShutdownReason.REBOOT, "");

        Domain second = fake.next();
        assertNotEquals(first.id(), second.id());
        Eventually.holds("it runs again", () -> guest.state() == GuestState.RUNNING);
        assertFalse(second.isPaused());
        assertThrows(Refused.class, () -> domains.order(first, DomainOrder.Plain.PAUSE));
        domains.order(second, DomainOrder.Plain.PAUSE);
        second.shutdown(ShutdownReason.CRASH, "of a test");
        assertEquals(RunOutcome.CRASH, run.get());
    }

    private String availability(Domain domain) throws XenError {
        String cpu = "/local/domain/" + domain.id().value() + "/cpu/";
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            return client.read(cpu + "0/availability") + " " + client.read(cpu + "1/availability");
        }
    }

    @Test
    void guestUsesAsManyVcpusAsItWasLastAskedTo() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain first = fake.next();
        assertEquals("online offline", availability(first));

        hypervisor.controls().useVcpus(first.id(), 2, 2);
        assertEquals("online online", availability(first));
        first.shutdown(ShutdownReason.REBOOT, "");

        Domain second = fake.next();
        Eventually.holds("it runs again", () -> guest.state() == GuestState.RUNNING);
        assertEquals("online online", availability(second));
        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    @Test
    void guestEndsInsteadOfARebootIfItMayNot() throws Exception {
        FutureTask<RunOutcome> run = fake.start(new Guest(request(false), folder));
        fake.next().shutdown(ShutdownReason.REBOOT, "");
        assertEquals(RunOutcome.REBOOT, run.get());
    }

    @Test
    void guestEndsAtItsNextRebootIfAskedTo() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        guest.endAtStop();
        assertEquals(GuestState.RUNNING, guest.state());

        fake.next().shutdown(ShutdownReason.REBOOT, "");

        assertEquals(RunOutcome.REBOOT, run.get());
    }

    private static EndActions all(EndAction action) {
        return new EndActions(action, action, action, action, action);
    }

    @ParameterizedTest
    @EnumSource(names = {"POWEROFF", "REBOOT", "TRIPLE_FAULT", "CRASH", "WATCHDOG", "SOFT_RESET"})
    void guestRestartsAfterEachReasonThatIsSetToRestart(ShutdownReason reason) throws Exception {
        Guest guest = new Guest(request(all(EndAction.RESTART)), folder);
        FutureTask<RunOutcome> run = fake.start(guest);

        fake.next().shutdown(reason, "");

        Domain second = fake.next();
        Eventually.holds("it runs again", () -> guest.state() == GuestState.RUNNING);
        second.shutdown(ShutdownReason.HOST_ERROR, "of a test");
        assertEquals(RunOutcome.HOST_ERROR, run.get());
    }

    @Test
    void preservedDomainStaysUntilItIsDestroyed() throws Exception {
        Guest guest = new Guest(request(all(EndAction.PRESERVE)), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        FutureTask<Void> suspend = suspend(domain);
        Eventually.holds("it is asked", () -> shutdownNode(domain).equals("suspend"));

        domain.shutdown(ShutdownReason.CRASH, "of a test");
        domains.awaitStop(domain);

        assertEquals(GuestState.PRESERVED, guest.state());
        assertEquals(List.of(domain.id()), ids());
        assertEquals("suspend", shutdownNode(domain));
        assertEquals(0, domain.memory().ram().get(ValueLayout.JAVA_BYTE, 0));
        assertEquals("web has stopped", refusal(suspend));
        Refused e =
                assertThrows(Refused.class, () -> domains.order(domain, DomainOrder.Plain.PAUSE));
        assertEquals("web has stopped", e.reason());
        domains.destroy(domain);
        assertEquals(RunOutcome.CRASH, run.get());
        assertEquals(List.of(), ids());
    }

    private static EndActions renaming() {
        return new EndActions(
                EndAction.DESTROY,
                EndAction.RESTART,
                EndAction.RENAME_RESTART,
                EndAction.DESTROY,
                EndAction.SOFT_RESET);
    }

    @Test
    void renamedDomainStaysBesideItsGuest() throws Exception {
        try (HostedGuests guests =
                new HostedGuests(hypervisor, folder, folder.resolve("migrations"))) {
            guests.create(request(renaming()), false);
            Domain first = fake.next();
            first.shutdown(ShutdownReason.CRASH, "of a test");
            Domain second = fake.next();
            domains.awaitStop(first);
            String name = first.config().name();
            assertTrue(name.matches("web-\\d{8}T\\d{4}Z"), name);
            assertEquals("web", second.config().name());
            assertNotEquals(new UUID(1, 2), first.config().uuid());
            assertEquals(new UUID(1, 2), second.config().uuid());
            Eventually.holds("it runs", () -> guests.left().equals(List.of("web", name)));
            Eventually.holds("it has nodes", () -> hasName(second));
            assertEquals("web", node(second, "name"));
            assertEquals(name, node(first, "name"));
            assertEquals("/vm/" + first.config().uuid(), node(first, "vm"));
            assertEquals(
                    name + " has stopped",
                    assertThrows(Refused.class, () -> domains.order(first, DomainOrder.Plain.PAUSE))
                            .reason());
            dump(first, "core", false);
            assertTrue(Files.size(folder.resolve("core")) > 0);
            assertThrows(Refused.class, () -> guests.create(sameName(name), false));

            second.shutdown(ShutdownReason.CRASH, "of a test");
            Domain third = fake.next();
            domains.awaitStop(second);
            Eventually.holds("it has nodes", () -> hasName(third));
            assertNotEquals(name, second.config().name());
            Objects.requireNonNull(guests.named(name)).stop();
            assertEquals(List.of(second.id(), third.id()), ids());
            try (XenStoreClient client = hypervisor.xenstore().client()) {
                assertFalse(client.exists("/vm/" + first.config().uuid()));
                assertTrue(client.exists("/vm/" + new UUID(1, 2)));
            }
        }
        assertEquals(List.of(), ids());
    }

    @Test
    void guestThatCrashesAgainAndAgainLeavesFewDomains() throws Exception {
        try (HostedGuests guests =
                new HostedGuests(hypervisor, folder, folder.resolve("migrations"), 1)) {
            guests.create(request(renaming()), false);
            Domain first = fake.next();
            first.shutdown(ShutdownReason.CRASH, "of a test");
            Domain second = fake.next();
            second.shutdown(ShutdownReason.CRASH, "of a test");
            Domain third = fake.next();
            Eventually.holds("it runs", () -> hasName(third));

            assertEquals(List.of(first.id(), third.id()), ids());

            String name = first.config().name();
            Objects.requireNonNull(guests.named(name)).stop();
            third.shutdown(ShutdownReason.CRASH, "of a test");
            Domain fourth = fake.next();
            Eventually.holds("it runs", () -> hasName(fourth));
            assertEquals(List.of(third.id(), fourth.id()), ids());
        }
    }

    private boolean hasName(Domain domain) throws XenError {
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            return client.exists("/local/domain/" + domain.id().value() + "/name");
        }
    }

    private static GuestRequest withId(GuestRequest request, int id) {
        return new GuestRequest(
                request.config(),
                1,
                request.kernel(),
                request.modules(),
                "",
                request.platform(),
                request.ends(),
                List.of(),
                true,
                request.engines(),
                new DomId(id),
                null);
    }

    @Test
    void guestHasTheIdThatWasAskedForAndTheNextOneAfterAReboot() throws Exception {
        FutureTask<RunOutcome> run = fake.start(new Guest(withId(request(true), 77), folder));
        Domain first = fake.next();
        assertEquals(new DomId(77), first.id());

        first.shutdown(ShutdownReason.REBOOT, "");

        Domain second = fake.next();
        assertEquals(new DomId(1), second.id());
        second.shutdown(ShutdownReason.POWEROFF, "");
        assertEquals(RunOutcome.POWEROFF, run.get());
    }

    @Test
    void idInUseIsRefusedInOneLine() throws Exception {
        try (HostedGuests guests =
                new HostedGuests(hypervisor, folder, folder.resolve("migrations"))) {
            guests.create(withId(request(true), 77), false);
            BootException e =
                    assertThrows(
                            BootException.class,
                            () -> guests.create(withId(sameName("other"), 77), false));
            assertEquals("the domain id 77 is in use", e.getMessage());
            assertEquals(List.of(new DomId(77)), ids());
            assertFalse(hasNode(new DomId(1)));
        }
    }

    private boolean hasNode(DomId id) throws XenError {
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            return client.exists("/local/domain/" + id.value());
        }
    }

    private GuestRequest sameName(String name) {
        GuestRequest web = request(true);
        return new GuestRequest(
                web.config().sibling(name),
                1,
                web.kernel(),
                web.modules(),
                "",
                web.platform(),
                web.ends(),
                true);
    }

    @Test
    void serviceThatEndsKeepsNoRenamedDomain() throws Exception {
        try (HostedGuests guests =
                new HostedGuests(hypervisor, folder, folder.resolve("migrations"))) {
            guests.create(request(renaming()), false);
            Domain first = fake.next();
            first.shutdown(ShutdownReason.CRASH, "of a test");
            domains.awaitStop(first);

            guests.end();

            domains.awaitEnd(first);
        }
        assertEquals(List.of(), ids());
    }

    private void dump(Domain domain, String file, boolean live) throws Exception {
        domains.order(domain, new DomainOrder.DumpCore(folder.resolve(file), live, _ -> {}));
    }

    @Test
    void coreOfARunningAPausedASuspendedAndAPreservedDomainIsDumped() throws Exception {
        Guest guest = new Guest(request(all(EndAction.PRESERVE)), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();

        dump(domain, "live", true);
        dump(domain, "running", false);
        assertFalse(domain.isPaused());
        domains.order(domain, DomainOrder.Plain.PAUSE);
        dump(domain, "paused", false);
        assertTrue(domain.isPaused());
        domains.order(domain, DomainOrder.Plain.UNPAUSE);
        domain.suspension().suspend(domain.vcpus().getFirst());
        Eventually.holds("it suspends", () -> guest.state() == GuestState.SUSPENDED);
        dump(domain, "suspended", false);
        domain.shutdown(ShutdownReason.CRASH, "of a test");
        domains.awaitStop(domain);
        dump(domain, "preserved", false);
        dump(domain, "preserved", true);

        for (String file : List.of("live", "running", "paused", "suspended", "preserved")) {
            assertTrue(Files.size(folder.resolve(file)) > GuestMemoryMap.MIN_BYTES, file);
        }
        Refused e = assertThrows(Refused.class, () -> dump(domain, "no/such", false));
        assertEquals(folder.resolve("no/such") + ": no such file or directory", e.reason());
        guest.destroy();
        assertEquals(RunOutcome.CRASH, run.get());
    }

    @Test
    void coreIsDumpedAfterACrashAndTheGuestRestarts() throws Exception {
        Guest guest =
                new Guest(request(all(EndAction.COREDUMP_RESTART)), folder.resolve("new/dumps"));
        FutureTask<RunOutcome> run = fake.start(guest);
        fake.next().shutdown(ShutdownReason.CRASH, "of a test");

        Domain second = fake.next();
        Path core = folder.resolve("new/dumps/" + NAME);
        assertTrue(Files.size(core) > GuestMemoryMap.MIN_BYTES);
        Eventually.holds("it runs again", () -> guest.state() == GuestState.RUNNING);
        domains.destroy(second);
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    @Test
    void guestGoesOnWithoutACoreThatCannotBeWritten() throws Exception {
        Guest guest =
                new Guest(request(all(EndAction.COREDUMP_DESTROY)), folder.resolve("kernel/dumps"));
        FutureTask<RunOutcome> run = fake.start(guest);

        fake.next().shutdown(ShutdownReason.CRASH, "of a test");

        assertEquals(RunOutcome.CRASH, run.get());
    }

    @Test
    void preservedGuestEndsWithItsService() throws Exception {
        HostedGuests guests = new HostedGuests(hypervisor, folder, folder.resolve("migrations"));
        guests.create(request(all(EndAction.PRESERVE)), false);
        Domain domain = fake.next();
        domain.shutdown(ShutdownReason.POWEROFF, "");
        domains.awaitStop(domain);
        assertEquals(List.of(NAME), guests.left());

        guests.end();

        domains.awaitEnd(domain);
        guests.close();
    }

    @Test
    void timeOutEndsAPreservedGuest() throws Exception {
        Guest guest = new Guest(request(all(EndAction.PRESERVE)), folder);
        DriverRequest start = guest.start(false);
        FutureTask<RunOutcome> run = fake.drive(guest, System.nanoTime() + 2_000_000_000L);
        start.await();
        fake.next().shutdown(ShutdownReason.CRASH, "of a test");

        assertEquals(RunOutcome.TIMEOUT, run.get());
    }

    @Test
    void timeOutStopsTheGuest() throws Exception {
        Guest guest = new Guest(request(true), folder);
        guest.start();
        FutureTask<RunOutcome> run = fake.drive(guest, System.nanoTime());

        assertEquals(RunOutcome.TIMEOUT, run.get());
        assertNotNull(fake.next().shutdownLatch().get());
    }

    @Test
    void destroyEndsAPauseThatWaitsForAVcpu() throws Exception {
        Guest guest = new Guest(request(true), folder);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        fake.domains().stick();
        FutureTask<Void> pause =
                new FutureTask<>(() -> {
                    domains.order(domain, DomainOrder.Plain.PAUSE);
                    return null;
                });
        Thread.ofPlatform().start(pause);
        Eventually.holds("it is being paused", () -> guest.state() == GuestState.PAUSED);

        guest.destroy();

        assertEquals(RunOutcome.STOPPED, run.get());
        assertNull(pause.get());
    }

    @Test
    void serviceThatEndsAsksEachGuestOnce() throws Exception {
        try (HostedGuests guests =
                new HostedGuests(hypervisor, folder, folder.resolve("migrations"))) {
            guests.create(request(true), false);
            Domain domain = fake.next();
            guests.end();
            FutureTask<Void> stop =
                    new FutureTask<>(() -> {
                        OrderlyStop.run(guests, Duration.ofMinutes(10), new CountDownLatch(1));
                        return null;
                    });
            Thread.ofPlatform().start(stop);
            Eventually.holds("it is asked", () -> shutdownNode(domain).equals("poweroff"));
            domain.shutdown(ShutdownReason.REBOOT, "");

            assertNull(stop.get());
            assertEquals(List.of(), guests.left());
        }
    }
}
