package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.quota.Quotas;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Guests on a machine without KVM: none of them gets a domain.
@Timeout(60)
final class GuestTest {
    @TempDir private Path folder = Path.of("");

    private final HostKvm kvm =
            new HostKvm(KvmSystem.absent(), EnumSet.noneOf(XenCapability.class));
    private final Hypervisor hypervisor =
            new Hypervisor(kvm, new SimpleMeterRegistry(), Quotas.DEFAULT);

    @BeforeEach
    void writeKernel() throws IOException {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        hypervisor.close();
        kvm.close();
    }

    private GuestRequest request(String kernel) {
        return WebGuest.request(folder.resolve(kernel));
    }

    private FutureTask<RunOutcome> drive(Guest guest) {
        FutureTask<RunOutcome> run =
                new FutureTask<>(() -> guest.run(hypervisor, null, null, Guest.FOREVER));
        Thread.ofPlatform().name("guest-web").start(run);
        return run;
    }

    @Test
    void guestDoesNotBootBeforeItIsStarted() throws Exception {
        Guest guest = new Guest(request("kernel"), folder);
        FutureTask<RunOutcome> run = drive(guest);
        assertEquals(GuestState.MADE, guest.state());
        assertFalse(guest.askToPowerOff());

        guest.destroy();

        assertEquals(RunOutcome.STOPPED, run.get());
        assertEquals(GuestState.ENDED, guest.state());
    }

    @Test
    void guestThatIsDestroyedBeforeItsStartNeverBoots() throws BootException {
        Guest guest = new Guest(request("missing"), folder);
        guest.destroy();
        guest.start();

        assertEquals(RunOutcome.STOPPED, guest.run(hypervisor, null, null, Guest.FOREVER));
    }

    @Test
    void interruptOfItsThreadDestroysTheGuest() throws Exception {
        Guest guest = new Guest(request("kernel"), folder);
        FutureTask<RunOutcome> run =
                new FutureTask<>(() -> guest.run(hypervisor, null, null, Guest.FOREVER));
        Thread driver = Thread.ofPlatform().start(run);
        driver.interrupt();

        assertEquals(RunOutcome.STOPPED, run.get());
    }

    @Test
    void guestWhoseKernelIsMissingEnds() {
        Guest guest = new Guest(request("missing"), folder);
        guest.start();

        assertThrows(BootException.class, () -> guest.run(hypervisor, null, null, Guest.FOREVER));
        assertEquals(GuestState.ENDED, guest.state());
        assertFalse(guest.askToPowerOff());
    }

    @Test
    void failedStartIsReportedToItsCreatorAndFreesTheName() throws Exception {
        try (HostedGuests guests =
                new HostedGuests(hypervisor, folder, folder.resolve("migrations"))) {
            for (int i = 0; i < 3; i++) {
                assertThrows(BootException.class, () -> guests.create(request("missing"), false));
                assertThrows(KvmException.class, () -> guests.create(request("kernel"), true));
                assertNull(guests.named("web"));
            }
            assertTrue(guests.left().isEmpty());
        }
    }

    @Test
    void closedServiceTakesNoGuest() {
        HostedGuests guests = new HostedGuests(hypervisor, folder, folder.resolve("migrations"));
        guests.end();
        guests.ask();
        guests.close();

        Refused e = assertThrows(Refused.class, () -> guests.create(request("kernel"), false));
        assertEquals("the service ends", e.reason());
    }

    @Test
    void threadThatStartsAGuestWaitsForItsDriver() throws Exception {
        Guest guest = new Guest(request("kernel"), folder);
        DriverRequest start = guest.start(true);
        FutureTask<Refused> answer =
                new FutureTask<>(() -> assertThrows(Refused.class, start::await));
        Thread creator = Thread.ofPlatform().start(answer);
        Eventually.holds("it waits", () -> creator.getState() == Thread.State.WAITING);

        guest.destroy();
        assertEquals(RunOutcome.STOPPED, guest.run(hypervisor, null, null, Guest.FOREVER));

        assertEquals("web has been destroyed", answer.get().reason());
    }
}
