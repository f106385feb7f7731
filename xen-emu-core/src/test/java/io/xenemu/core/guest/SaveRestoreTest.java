package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.primitives.Bytes;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.ShutdownReason;
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
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.client.XenStoreClient;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Saves and restores of hosted guests whose domains run no code, with a real XenStore.
@Timeout(300)
final class SaveRestoreTest {
    private static final int CYCLES = 100;
    private static final long PLACE = 5 << 20;

    /// More than a JVM needs for itself from time to time.
    private static final int FEW = 8;

    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake = new FakeHypervisor();
    private final OperatedDomains domains = fake.hypervisor.operated();
    private final HostedGuests guests =
            new HostedGuests(fake.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    @BeforeEach
    void writeKernel() throws IOException {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
        Files.writeString(folder.resolve("initrd"), "a module");
    }

    @AfterEach
    void close() {
        guests.close();
        fake.close();
    }

    private GuestRequest request() {
        DomainConfig config = WebGuest.config(2);
        return new GuestRequest(
                config,
                1,
                folder.resolve("kernel"),
                List.of(folder.resolve("initrd") + " an argument"),
                "console=hvc0",
                new PlatformSettings(GenerationId.random(), 7, false),
                EndActions.DEFAULT,
                true);
    }

    private Domain create() throws Exception {
        guests.create(request(), false);
        return fake.next();
    }

    private SavePlace file() {
        return new SavePlace(folder.resolve("saved"), SavePlace.Kind.FILE);
    }

    private void save(Domain domain, DomainOrder.Then then) throws Exception {
        HostedGuest hosted = guests.named("web");
        domains.order(domain, new DomainOrder.Save(file(), then, false, _ -> {}, _ -> {}));
        if (then == DomainOrder.Then.END && hosted != null) {
            hosted.awaitEnd();
        }
    }

    private Domain restore() throws Exception {
        return restore(false);
    }

    private Domain restore(boolean lazy) throws Exception {
        guests.restore(file(), ClockPolicy.STAND_STILL, lazy, false, _ -> {});
        return fake.next();
    }

    private List<DomId> ids() {
        List<DomId> ids = new ArrayList<>();
        domains.forEach(domain -> ids.add(domain.id()));
        return ids;
    }

    private String node(DomId id, String name) {
        try (XenStoreClient client = fake.hypervisor.xenstore().client()) {
            return client.read("/local/domain/" + id.value() + "/" + name);
        } catch (XenError e) {
            return e.symbol();
        }
    }

    private static String refusal(org.junit.jupiter.api.function.Executable refused) {
        return assertThrows(Refused.class, refused).reason();
    }

    private List<String> files() throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.map(path -> path.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void savedGuestIsGoneAndTheRestoredOneIsTheSame() throws Exception {
        Domain first = create();
        EvtchnPort port = first.eventChannels().allocUnbound(DomId.SELF, DomId.DOM0);
        first.memory().ram().set(ValueLayout.JAVA_LONG, PLACE, 0x1234);

        save(first, DomainOrder.Then.END);

        assertEquals(List.of(), ids());
        assertNull(guests.named("web"));
        assertEquals("ENOENT", node(first.id(), "name"));

        Domain second = restore();

        assertEquals(first.id(), second.id());
        assertEquals(List.of(first.id()), ids());
        assertEquals("web", node(first.id(), "name"));
        assertEquals(0x1234, second.memory().ram().get(ValueLayout.JAVA_LONG, PLACE));
        assertEquals(
                EvtchnStatus.Unbound.class,
                second.eventChannels().status(DomId.SELF, port).getClass());
        assertFalse(second.isPaused());
        assertEquals(List.of("initrd", "kernel", "saved"), files());
    }

    @Test
    void settingsOfASavedGuestAreSummed() throws Exception {
        save(create(), DomainOrder.Then.GO_ON);
        SavedReport report = SavedReport.read(FileChannel.open(file().path()));
        Map<String, String> settings =
                SavedSettings.of(report.guests().getFirst().head().config()).values();

        assertEquals("console=hvc0", settings.get("cmdline"));
        assertEquals("8M", settings.get("memory"));
        assertEquals("1", settings.get("vcpus"));
        assertEquals("2", settings.get("maxvcpus"));
        assertEquals("4.19", settings.get("xen_version"));
        assertEquals("restart", settings.get("on_reboot"));
        assertEquals("7", settings.get("rtc_timeoffset"));
        assertNull(settings.get("engines"));
    }

    @Test
    void restoredGuestRebootsAsTheFirstWouldWithoutItsFiles() throws Exception {
        save(create(), DomainOrder.Then.END);
        Files.delete(folder.resolve("kernel"));
        Files.delete(folder.resolve("initrd"));
        Domain second = restore();
        Files.delete(folder.resolve("saved"));

        second.shutdown(ShutdownReason.REBOOT, "");

        Domain third = fake.next();
        assertNotEquals(second.id(), third.id());
        assertEquals(second.config(), third.config());
        Eventually.holds("it starts", () -> node(third.id(), "name").equals("web"));
        save(third, DomainOrder.Then.END);
        restore().shutdown(ShutdownReason.REBOOT, "");
        assertEquals(third.config(), fake.next().config());
    }

    @Test
    void checkpointLetsTheGuestGoOnAndACopyHasAnotherGeneration() throws Exception {
        Domain first = create();
        String generation = node(first.id(), "platform/generation-id");
        save(first, DomainOrder.Then.GO_ON);

        assertEquals(List.of(first.id()), ids());
        assertFalse(first.isHeld());
        assertEquals("a domain has this name already: web", refusal(this::restore));
        save(first, DomainOrder.Then.GO_ON);
        domains.destroy(first);
        domains.awaitEnd(first);
        HostedGuest left = guests.named("web");
        if (left != null) {
            left.awaitEnd();
        }

        Domain second = restore();

        assertFalse(second.isPaused());
        assertNotEquals(generation, node(second.id(), "platform/generation-id"));
    }

    @Test
    void savedGuestThatStaysPausedWaitsForAnUnpause() throws Exception {
        Domain first = create();
        save(first, DomainOrder.Then.STAY_PAUSED);

        assertTrue(first.isPaused());
        domains.order(first, DomainOrder.Plain.UNPAUSE);
        assertFalse(first.isHeld());
        assertEquals(
                "web is not paused",
                refusal(() -> domains.order(first, DomainOrder.Plain.UNPAUSE)));
    }

    @Test
    void pausedGuestIsRestoredPaused() throws Exception {
        Domain first = create();
        domains.order(first, DomainOrder.Plain.PAUSE);
        save(first, DomainOrder.Then.END);
        guests.restore(file(), ClockPolicy.STAND_STILL, false, true, _ -> {});
        Domain second = fake.next();

        assertTrue(second.isPaused());
        domains.order(second, DomainOrder.Plain.UNPAUSE);
        assertTrue(second.isPaused());
        domains.order(second, DomainOrder.Plain.UNPAUSE);
        assertFalse(second.isPaused());
    }

    @Test
    void reasonsAreNamedBeforeTheGuestStops() throws Exception {
        Domain first = create();
        first.add(OwnPart.unsaved("clay", "it is wet"));
        first.add(OwnPart.unsaved("glass", "it is hot"));

        assertEquals(
                "web cannot be saved: clay: it is wet\nglass: it is hot",
                refusal(() -> save(first, DomainOrder.Then.END)));

        assertFalse(first.isHeld());
        assertEquals(List.of("initrd", "kernel"), files());
        domains.order(first, DomainOrder.Plain.PAUSE);
    }

    @Test
    void guestGoesOnIfItCannotBeWritten() throws Exception {
        Domain first = create();
        SavePlace nowhere = new SavePlace(folder.resolve("no/saved"), SavePlace.Kind.FILE);
        assertEquals(
                nowhere.path() + ": no such file or directory",
                refusal(() ->
                        domains.order(
                                first,
                                new DomainOrder.Save(
                                        nowhere, DomainOrder.Then.END, false, _ -> {}, _ -> {}))));
        Files.delete(folder.resolve("kernel"));
        assertEquals(
                folder.resolve("kernel") + ": no such file or directory",
                refusal(() -> save(first, DomainOrder.Then.END)));
        assertFalse(first.isHeld());
        assertEquals(List.of("initrd"), files());
        domains.order(first, DomainOrder.Plain.PAUSE);
        domains.order(first, DomainOrder.Plain.UNPAUSE);
    }

    @Test
    void idInUseIsRefusedAndNothingIsMade() throws Exception {
        Domain first = create();
        save(first, DomainOrder.Then.END);
        GuestRequest other =
                new GuestRequest(
                        request().config().sibling("other"),
                        1,
                        folder.resolve("kernel"),
                        List.of(),
                        "",
                        PlatformSettings.DEFAULT,
                        EndActions.DEFAULT,
                        List.of(),
                        true,
                        request().engines(),
                        first.id(),
                        null);
        guests.create(other, false);

        BootException e = assertThrows(BootException.class, this::restore);

        assertEquals("the domain id 1 is in use", e.getMessage());
        assertEquals(List.of(first.id()), ids());
        assertNull(guests.named("web"));
    }

    @Test
    void damagedFilesAreRefusedInOneLineAndMakeNothing() throws Exception {
        save(create(), DomainOrder.Then.END);
        byte[] good = Files.readAllBytes(file().path());
        for (int at = 0; at < good.length; at += 1 + good.length / 40) {
            byte[] bad = good.clone();
            bad[at] ^= 0x20;
            Files.write(file().path(), bad);
            Exception e = assertThrows(Exception.class, this::restore);
            assertTrue(e instanceof Refused || e instanceof BootException, e::toString);
            String reason = String.valueOf(e.getMessage());
            assertTrue(reason.startsWith(file().path() + ": "), reason);
            assertEquals(1, reason.lines().count(), reason);
            assertEquals(List.of(), ids());
            assertNull(guests.named("web"));
        }
        Files.write(file().path(), good);
        assertEquals(new DomId(1), restore().id());
    }

    /// The other end of a save to a client.
    private static FutureTask<byte[]> reader(ServerSocketChannel server, boolean takesAll) {
        FutureTask<byte[]> read =
                new FutureTask<>(() -> {
                    try (SocketChannel service = server.accept()) {
                        byte[] all =
                                java.nio.channels.Channels.newInputStream(service).readAllBytes();
                        if (takesAll) {
                            service.write(ByteBuffer.wrap(new byte[] {'k'}));
                        }
                        return all;
                    }
                });
        Thread.ofPlatform().name("reader").start(read);
        return read;
    }

    @Test
    void guestEndsOnlyWhenTheReaderOfAPipeHasTakenAll() throws Exception {
        Domain first = create();
        SavePlace socket = new SavePlace(folder.resolve("pipe"), SavePlace.Kind.SOCKET);
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket.path()));
            FutureTask<byte[]> _ = reader(server, false);
            DomainOrder.Save save =
                    new DomainOrder.Save(socket, DomainOrder.Then.END, false, _ -> {}, _ -> {});
            assertEquals(
                    socket.path() + ": the reader has not taken all of it",
                    refusal(() -> domains.order(first, save)));
            assertFalse(first.isHeld());

            FutureTask<byte[]> second = reader(server, true);
            domains.order(first, save);
            domains.awaitEnd(first);
            Files.write(file().path(), second.get());
        }
    }

    @Test
    void destroyedGuestIsNotSavedToAReaderThatDoesNotRead() throws Exception {
        Domain first = create();
        SavePlace socket = new SavePlace(folder.resolve("pipe"), SavePlace.Kind.SOCKET);
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket.path()));
            FutureTask<String> saved =
                    new FutureTask<>(() ->
                            refusal(() ->
                                    domains.order(
                                            first,
                                            new DomainOrder.Save(
                                                    socket,
                                                    DomainOrder.Then.END,
                                                    false,
                                                    _ -> {},
                                                    _ -> {}))));
            Thread.ofPlatform().name("saver").start(saved);
            try (SocketChannel _ = server.accept()) {
                domains.destroy(first);
                domains.awaitEnd(first);
            }
            assertEquals("web has been destroyed", saved.get());
        }
    }

    private static int threads() {
        return Thread.getAllStackTraces().size();
    }

    private static int descriptors() throws IOException {
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            return (int) all.count();
        }
    }

    @Test
    void memoryComesWhileTheGuestRunsAndCanBeSavedAgain() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        Domain first = create();
        for (long page = 0; page < 600; page++) {
            first.memory().ram().set(ValueLayout.JAVA_LONG, PLACE + page * 4096, page);
        }
        save(first, DomainOrder.Then.END);

        Domain second = restore(true);

        assertEquals(599, second.memory().guest().read64(PLACE + 599 * 4096));
        assertEquals(0, second.memory().guest().read64(PLACE + 600 * 4096));
        second.memory().guest().write64(PLACE, 7777);
        save(second, DomainOrder.Then.END);
        Domain third = restore(true);
        assertEquals(7777, third.memory().guest().read64(PLACE));
        for (long page = 1; page < 600; page++) {
            assertEquals(page, third.memory().guest().read64(PLACE + page * 4096));
        }
        third.memory().awaitAll();
        third.shutdown(ShutdownReason.REBOOT, "");
        assertEquals(third.config(), fake.next().config());
    }

    @Test
    void lazilyRestoredGuestRunsWithADamagedKernelButDoesNotBootAgain() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        Domain first = create();
        first.memory().ram().set(ValueLayout.JAVA_LONG, PLACE, 42);
        save(first, DomainOrder.Then.END);
        byte[] bytes = Files.readAllBytes(file().path());
        bytes[Bytes.indexOf(bytes, TrainingKernel.image()) + 100] ^= 1;
        Files.write(file().path(), bytes);
        assertEquals(file().path() + ": section DATA: checksum is wrong", refusal(this::restore));

        Domain second = restore(true);
        assertEquals(42, second.memory().guest().read64(PLACE));
        assertEndsAtReboot(second);

        save(restore(true), DomainOrder.Then.END);
        Domain third = restore();
        assertEquals(42, third.memory().guest().read64(PLACE));
        assertEndsAtReboot(third);
    }

    private void assertEndsAtReboot(Domain domain) throws Exception {
        HostedGuest hosted = Objects.requireNonNull(guests.named("web"));
        domain.shutdown(ShutdownReason.REBOOT, "");
        hosted.awaitEnd();
        assertNull(fake.built());
    }

    @Test
    void pipeCannotBeRestoredLazily() {
        SavePlace socket = new SavePlace(folder.resolve("pipe"), SavePlace.Kind.SOCKET);
        assertEquals(
                "lazy: a pipe cannot be read in any order, only a file",
                refusal(() ->
                        guests.restore(socket, ClockPolicy.STAND_STILL, true, false, _ -> {})));
        assertEquals(file().path() + ": no such file or directory", refusal(() -> restore(true)));
    }

    @Test
    void damagedHeadsAreRefusedBeforeTheGuestRuns() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        save(create(), DomainOrder.Then.END);
        byte[] good = Files.readAllBytes(file().path());
        for (int at = good.length - 200; at < good.length; at += 17) {
            byte[] bad = good.clone();
            bad[at] ^= 0x20;
            Files.write(file().path(), bad);
            Exception e = assertThrows(Exception.class, () -> restore(true));
            assertTrue(
                    e instanceof Refused || e instanceof BootException || e instanceof KvmException,
                    e::toString);
            assertEquals(1, String.valueOf(e.getMessage()).lines().count(), e::toString);
            assertEquals(List.of(), ids());
        }
        Files.write(file().path(), Arrays.copyOf(good, good.length - 1));
        assertThrows(BootException.class, () -> restore(true));
    }

    /// A guest counts in its memory and in XenStore, over a chain of saves and restores.
    @Test
    void nothingIsLeftAfterManyCyclesAndNothingIsLost() throws Exception {
        Domain domain = create();
        int threads = 0;
        int descriptors = 0;
        for (int i = 0; i < CYCLES; i++) {
            if (i == FEW) {
                threads = threads();
                descriptors = descriptors();
            }
            domain.memory().ram().set(ValueLayout.JAVA_INT, PLACE + i * 4096L, i);
            try (XenStoreClient client = fake.hypervisor.xenstore().client()) {
                client.write("/local/domain/1/data/count", Integer.toString(i));
            }
            EvtchnPort port = domain.eventChannels().allocUnbound(DomId.SELF, DomId.DOM0);
            if (i % 3 == 0) {
                save(domain, DomainOrder.Then.GO_ON);
            }
            save(domain, DomainOrder.Then.END);
            domain = restore();

            assertEquals(i, domain.memory().ram().get(ValueLayout.JAVA_INT, PLACE + i * 4096L));
            assertEquals(Integer.toString(i), node(domain.id(), "data/count"));
            domain.eventChannels().close(port);
        }
        assertTrue(threads() <= threads + FEW, () -> "threads: " + threads());
        assertTrue(descriptors() <= descriptors + FEW);
    }
}
