package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.BlockKind;
import io.xenemu.core.backend.block.DiskChecker;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.nbd.NbdOpener;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.paging.LatePagesNeeds;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.client.XenStoreClient;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Guests that take part in their saves: a test does what their drivers would. Their domains run no code.
@Timeout(120)
final class CooperativeSaveTest {
    private static final long PLACE = 5 << 20;
    private static final long SHARED_GFN = 0x20;

    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake =
            new FakeHypervisor(
                    new BlockKind(
                            new NbdOpener(new SimpleMeterRegistry()),
                            DiskChecker.FILE,
                            new SimpleMeterRegistry()));
    private final OperatedDomains domains = fake.hypervisor.operated();
    private final HostedGuests guests =
            new HostedGuests(fake.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    @BeforeEach
    void writeKernel() throws IOException {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
        Files.write(folder.resolve("disk"), new byte[1 << 16]);
    }

    @AfterEach
    void close() {
        guests.close();
        fake.close();
    }

    private Domain create(DeviceSpec... devices) throws Exception {
        guests.create(
                WebGuest.request(
                        folder.resolve("kernel"),
                        EndActions.DEFAULT,
                        List.of(devices),
                        EngineMap.DEFAULT),
                false);
        return fake.next();
    }

    private SavePlace file() {
        return new SavePlace(folder.resolve("saved"), SavePlace.Kind.FILE);
    }

    private String read(String path) throws XenError {
        try (XenStoreClient client = fake.hypervisor.xenstore().client()) {
            return client.exists(path) ? client.read(path) : "";
        }
    }

    private void write(String path, String value) throws XenError {
        try (XenStoreClient client = fake.hypervisor.xenstore().client()) {
            client.write(path, value);
        }
    }

    private static String control(Domain domain, String name) {
        return "/local/domain/" + domain.id().value() + "/control/" + name;
    }

    private FutureTask<@Nullable Void> save(Domain domain, DomainOrder.Then then) {
        FutureTask<@Nullable Void> save =
                new FutureTask<>(() -> {
                    domains.order(
                            domain, new DomainOrder.Save(file(), then, true, _ -> {}, _ -> {}));
                    return null;
                });
        Thread.ofPlatform().name("saver").start(save);
        return save;
    }

    /// Does what the drivers of a guest do that is asked to suspend.
    private void suspend(Domain domain) throws Exception {
        Eventually.holds("it is asked", () -> read(control(domain, "shutdown")).equals("suspend"));
        write(control(domain, "shutdown"), "");
        domain.suspension().suspend(domain.vcpus().getFirst());
    }

    private static String refusal(FutureTask<@Nullable Void> save) throws Exception {
        try {
            save.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Refused refused) {
                return refused.reason();
            }
            throw e;
        }
        return "saved";
    }

    @Test
    void guestGoesOnAsInANewDomain() throws Exception {
        Domain first = create();
        first.params().set(HvmParams.CALLBACK_IRQ, 1);
        write("/local/domain/1/data/mine", "a value");
        EvtchnPort timer = first.eventChannels().bindVirq(Virq.TIMER, new VcpuId(0));
        first.sharedInfo().map(0, SHARED_GFN);
        first.memory().ram().set(ValueLayout.JAVA_LONG, PLACE, 0x1234);
        long owned = first.memory().save().owned();
        HostedGuest hosted = guests.named("web");

        FutureTask<@Nullable Void> save = save(first, DomainOrder.Then.END);
        suspend(first);
        save.get();
        if (hosted != null) {
            hosted.awaitEnd();
        }
        guests.restore(file(), ClockPolicy.STAND_STILL, false, false, _ -> {});
        Domain second = fake.next();

        assertEquals(first.id(), second.id());
        assertFalse(second.isHeld());
        assertFalse(second.suspension().isSuspended());
        assertEquals(0x1234, second.memory().ram().get(ValueLayout.JAVA_LONG, PLACE));
        assertEquals(
                List.of(EvtchnStatus.Interdomain.class, EvtchnStatus.Interdomain.class),
                second.eventChannels().save().ports().stream()
                        .map(port -> port.status().getClass())
                        .toList());
        assertEquals(timer, second.eventChannels().bindVirq(Virq.TIMER, new VcpuId(0)));
        assertEquals(0, second.params().get(HvmParams.CALLBACK_IRQ));
        assertEquals(1, second.params().get(HvmParams.STORE_EVTCHN));
        assertEquals(owned + 1, second.memory().save().owned(), "shared_info covers no page");
        second.sharedInfo().map(0, SHARED_GFN);
        assertEquals(owned, second.memory().save().owned());
        assertEquals(4096, maskedPorts(second));
        assertEquals(2, grants(second));
        assertEquals("", read("/local/domain/1/data/mine"));
        assertEquals("web", read("/local/domain/1/name"));
    }

    /// The number of bits in its mask of the 2-level ABI.
    private static int maskedPorts(Domain domain) {
        MemorySegment page = domain.special().page(SpecialPages.SHARED_INFO);
        int masked = 0;
        for (long byteAt = 0; byteAt < 512; byteAt++) {
            masked += Integer.bitCount(page.get(ValueLayout.JAVA_BYTE, 0xa00 + byteAt) & 0xff);
        }
        return masked;
    }

    /// The number of entries of its grant table that are in use.
    private static int grants(Domain domain) {
        int used = 0;
        for (long entry = 0; entry < 512; entry++) {
            used +=
                    domain.special()
                                            .page(SpecialPages.grantFrame(0))
                                            .get(ValueLayout.JAVA_SHORT, entry * 8)
                                    == 0
                            ? 0
                            : 1;
        }
        return used;
    }

    /// Saves a guest that takes part, and ends it.
    private void saveSuspended(Domain domain) throws Exception {
        domain.params().set(HvmParams.CALLBACK_IRQ, 1);
        HostedGuest hosted = guests.named("web");
        FutureTask<@Nullable Void> save = save(domain, DomainOrder.Then.END);
        suspend(domain);
        save.get();
        if (hosted != null) {
            hosted.awaitEnd();
        }
    }

    private String node(Domain domain, String name) throws XenError {
        return read("/local/domain/" + domain.id().value() + "/" + name);
    }

    @Test
    void clonesHaveTheMemoryOfTheSavedGuestAndIdentitiesOfTheirOwn() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        Domain first = create();
        first.memory().ram().set(ValueLayout.JAVA_LONG, PLACE, 0x1234);
        first.memory().ram().set(ValueLayout.JAVA_LONG, PLACE + 4096, 0x5678);
        String vm = node(first, "vm");
        saveSuspended(first);

        assertEquals(
                List.of("web-1", "web-2", "web-3"),
                guests.makeClones(file(), 3, null, false, _ -> {}));
        List<Domain> clones = List.of(fake.next(), fake.next(), fake.next());

        Set<String> vms = new HashSet<>(Set.of(vm));
        Set<Integer> ids = new HashSet<>();
        for (Domain clone : clones) {
            ids.add(clone.id().value());
            vms.add(node(clone, "vm"));
            assertEquals(clone.config().name(), node(clone, "name"));
            assertFalse(clone.isHeld());
            assertEquals(0x1234, clone.memory().guest().read64(PLACE));
        }
        assertEquals(Set.of(2, 3, 4), ids);
        assertEquals(4, vms.size(), vms::toString);
        assertEquals("web-2", clones.get(1).config().name());
        clones.get(0).memory().guest().write64(PLACE, 1);
        assertEquals(0x1234, clones.get(1).memory().guest().read64(PLACE));
        assertEquals(0x5678, clones.get(2).memory().ram().get(ValueLayout.JAVA_LONG, PLACE + 4096));

        clones.get(2).shutdown(ShutdownReason.REBOOT, "");
        assertEquals("web-3", fake.next().config().name());
    }

    @Test
    void cloneCanBeSavedAndHasTheNameThatItIsGiven() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        Domain first = create();
        first.memory().ram().set(ValueLayout.JAVA_LONG, PLACE, 0x1234);
        saveSuspended(first);
        assertEquals(List.of("copy"), guests.makeClones(file(), 1, "copy", true, _ -> {}));
        Domain clone = fake.next();
        assertTrue(clone.isPaused());
        domains.order(
                clone,
                new DomainOrder.Save(file(), DomainOrder.Then.GO_ON, false, _ -> {}, _ -> {}));
        assertEquals(0x1234, clone.memory().ram().get(ValueLayout.JAVA_LONG, PLACE));
        HostedGuest hosted = guests.named("copy");
        domains.destroy(clone);
        domains.awaitEnd(clone);
        if (hosted != null) {
            hosted.awaitEnd();
        }
        guests.restore(file(), ClockPolicy.STAND_STILL, true, false, _ -> {});
        Domain again = fake.next();
        assertEquals(clone.id(), again.id());
        assertEquals(clone.config(), again.config());
        assertEquals(0x1234, again.memory().guest().read64(PLACE));
    }

    @Test
    void guestThatCannotHaveACloneIsRefusedInOneLine() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        DomainOrder.Save notSuspended =
                new DomainOrder.Save(file(), DomainOrder.Then.GO_ON, false, _ -> {}, _ -> {});
        Domain first = create();
        domains.order(first, notSuspended);
        assertEquals(
                "web did not take part in its save (--suspend): it would not notice that it has another"
                        + " domain id",
                cloneRefusal());
        saveSuspended(first);
        Domain second = create();
        assertEquals(
                "a domain has this name already: web",
                assertThrows(
                                Refused.class,
                                () -> guests.makeClones(file(), 1, "web", false, _ -> {}))
                        .reason());
        domains.destroy(second);
        domains.awaitEnd(second);
    }

    private String cloneRefusal() {
        return String.valueOf(
                assertThrows(
                                BootException.class,
                                () -> guests.makeClones(file(), 1, null, false, _ -> {}))
                        .getMessage());
    }

    @Test
    void writableDiskKeepsAGuestFromBeingCloned() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        Domain first = create(DiskSpec.parse(List.of(folder.resolve("disk") + ",raw,xvda,rw")));
        saveSuspended(first);
        assertEquals(
                "the disk xvda is writable: several guests would write to "
                        + folder.resolve("disk"),
                cloneRefusal());
        Domain second = create(DiskSpec.parse(List.of(folder.resolve("disk") + ",raw,xvda,ro")));
        saveSuspended(second);
        assertEquals(2, guests.makeClones(file(), 2, null, false, _ -> {}).size());
        Domain clone = fake.next();
        assertEquals(
                clone.id().value() + "",
                read("/local/domain/0/backend/vbd/" + clone.id().value() + "/51712/frontend-id"));
    }

    @Test
    void checkpointCancelsTheSuspendAndKeepsAll() throws Exception {
        Domain first = create();
        first.params().set(HvmParams.CALLBACK_IRQ, 1);
        EvtchnPort timer = first.eventChannels().bindVirq(Virq.TIMER, new VcpuId(0));

        FutureTask<@Nullable Void> save = save(first, DomainOrder.Then.GO_ON);
        suspend(first);
        save.get();

        assertFalse(first.isHeld());
        assertFalse(first.suspension().isSuspended());
        assertEquals(
                EvtchnStatus.VirqBound.class,
                first.eventChannels().status(DomId.SELF, timer).getClass());
        FutureTask<@Nullable Void> paused = save(first, DomainOrder.Then.STAY_PAUSED);
        suspend(first);
        paused.get();
        assertTrue(first.isPaused());
        assertEquals(
                "web is paused, and so cannot suspend itself",
                refusal(save(first, DomainOrder.Then.END)));
        domains.order(first, DomainOrder.Plain.UNPAUSE);
        assertFalse(first.isHeld());
    }

    @Test
    void guestThatDoesNotAnswerGoesOnAndIsNotAskedAnyMore() throws Exception {
        Guest guest =
                new Guest(
                        WebGuest.request(folder.resolve("kernel")),
                        folder,
                        Duration.ofMillis(50),
                        _ -> false);
        FutureTask<RunOutcome> run = fake.start(guest);
        Domain domain = fake.next();
        assertEquals(
                "web cannot suspend itself: it has no PV drivers yet",
                refusal(save(domain, DomainOrder.Then.END)));
        domain.params().set(HvmParams.CALLBACK_IRQ, 1);

        assertEquals(
                "web has not suspended within 0 s", refusal(save(domain, DomainOrder.Then.END)));

        assertEquals("", read(control(domain, "shutdown")));
        assertFalse(domain.isHeld());
        assertEquals(GuestState.RUNNING, guest.state());
        assertFalse(Files.exists(file().path()));
        guest.destroy();
        assertEquals(RunOutcome.STOPPED, run.get());
    }

    @Test
    void destroyedGuestIsNotSaved() throws Exception {
        Domain domain = create();
        domain.params().set(HvmParams.CALLBACK_IRQ, 1);
        FutureTask<@Nullable Void> save = save(domain, DomainOrder.Then.END);
        Eventually.holds("it is asked", () -> read(control(domain, "shutdown")).equals("suspend"));
        domains.destroy(domain);
        assertEquals("web has been destroyed", refusal(save));
    }

    private String backState(Domain driver, Domain domain, int id) throws XenError {
        return read(
                "/local/domain/%d/backend/vbd/%d/%d/state"
                        .formatted(driver.id().value(), domain.id().value(), id));
    }

    /// Does what a driver domain does for a new device, and for one whose front end's domain ends.
    private void serveBackend(Domain driver, Domain domain, int id, XenbusState state)
            throws Exception {
        Eventually.holds("a device", () -> !backState(driver, domain, id).isEmpty());
        write(
                "/local/domain/%d/backend/vbd/%d/%d/state"
                        .formatted(driver.id().value(), domain.id().value(), id),
                state.code());
    }

    @Test
    void devicesAreMadeAnewThoseOfDriverDomainsToo() throws Exception {
        Domain first = create(DiskSpec.parse(List.of(folder.resolve("disk") + ",raw,xvda,rw")));
        first.params().set(HvmParams.CALLBACK_IRQ, 1);
        GuestRequest sibling = WebGuest.request(folder.resolve("kernel")).sibling("driver", "");
        guests.create(withoutModules(sibling), false);
        Domain driver = fake.next();
        DeviceAttachment attachment = fake.hypervisor.devices().attachment();
        DeviceSpec spec = DiskSpec.parse(List.of("/dev/vg/disk,raw,xvdb,rw,backend=driver"));
        PvDevice device = attachment.create("web", spec);
        serveBackend(driver, first, 51728, XenbusState.INIT_WAIT);
        attachment.devices().awaitBackend(device, spec);
        assertEquals(
                List.of("devices of other domains: dom2 serves vbd 51728"),
                first.parts().blockers());
        FutureTask<@Nullable Void> transparent =
                new FutureTask<>(() -> {
                    domains.order(
                            first,
                            new DomainOrder.Save(
                                    file(), DomainOrder.Then.END, false, _ -> {}, _ -> {}));
                    return null;
                });
        transparent.run();
        assertEquals(
                "web cannot be saved: devices of other domains: dom2 serves vbd 51728\n"
                        + "web can take part instead: save --suspend saves it",
                refusal(transparent));

        FutureTask<@Nullable Void> save = save(first, DomainOrder.Then.END);
        suspend(first);
        save.get();
        HostedGuest hosted = guests.named("web");
        if (hosted != null) {
            hosted.awaitEnd();
        }
        FutureTask<@Nullable Void> restore =
                new FutureTask<>(() -> {
                    guests.restore(file(), ClockPolicy.STAND_STILL, false, false, _ -> {});
                    return null;
                });
        Thread.ofPlatform().name("restorer").start(restore);
        // The driver domain lets go of the old device only now.
        serveBackend(driver, first, 51728, XenbusState.CLOSED);
        try (XenStoreClient client = fake.hypervisor.xenstore().client()) {
            client.rm("/local/domain/%d/backend/vbd".formatted(driver.id().value()));
        }
        Domain second = fake.next();
        Eventually.holds("a new device", () -> backState(driver, second, 51728).equals("1"));
        serveBackend(driver, second, 51728, XenbusState.INIT_WAIT);
        assertEquals("saved", refusal(restore));

        assertEquals(first.id(), second.id());
        assertEquals("2", read("/local/domain/0/backend/vbd/1/51712/state"));
        assertEquals(
                List.of("51712", "51728"),
                attachment.devices().list().table(DeviceKind.VBD, List.of(second.id())).stream()
                        .skip(1)
                        .map(row -> row.substring(0, row.indexOf(' ')))
                        .toList());
        assertEquals(GuestMemoryMap.MIN_BYTES, second.config().memoryBytes());
    }

    private static GuestRequest withoutModules(GuestRequest request) {
        return new GuestRequest(
                request.config(),
                request.onlineVcpus(),
                request.kernel(),
                List.of(),
                request.commandLine(),
                request.platform(),
                request.ends(),
                request.overcommit());
    }
}
