package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.BlockKind;
import io.xenemu.core.backend.block.DiskChecker;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.nbd.NbdOpener;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.hypervisor.DeviceChanges;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A guest is saved while an operator attaches a disk to it: one of the two is refused, so that the disk is neither
/// lost nor saved in part.
@Timeout(120)
final class SaveDevicesTest {
    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake =
            new FakeHypervisor(
                    new BlockKind(
                            new NbdOpener(new SimpleMeterRegistry()),
                            DiskChecker.FILE,
                            new SimpleMeterRegistry()));
    private final DeviceAttachment attachment = fake.hypervisor.devices().attachment();
    private final HostedGuests guests =
            new HostedGuests(fake.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    @BeforeEach
    void start() throws Exception {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        guests.close();
        fake.close();
    }

    private DeviceSpec disk(String vdev) throws Exception {
        Path image = Files.write(folder.resolve(vdev), new byte[4096]);
        return DiskSpec.parse(List.of(image + ",raw," + vdev + ",rw"));
    }

    private Domain create() throws Exception {
        guests.create(
                WebGuest.request(
                        folder.resolve("kernel"),
                        EndActions.DEFAULT,
                        List.of(disk("xvda")),
                        EngineMap.DEFAULT),
                false);
        return fake.next();
    }

    private SavePlace file() {
        return new SavePlace(folder.resolve("saved"), SavePlace.Kind.FILE);
    }

    private void save(Domain domain, SavePlace place, DomainOrder.Then then, boolean suspend)
            throws Exception {
        fake.hypervisor
                .operated()
                .order(domain, new DomainOrder.Save(place, then, suspend, _ -> {}, _ -> {}));
    }

    /// As `block-attach`.
    private void attach(DeviceSpec spec) throws Exception {
        try (DeviceChanges.Change _ = attachment.attaching("web", spec)) {
            attachment.devices().awaitBackend(attachment.create("web", spec), spec);
        }
    }

    private Domain restored(Domain saved) throws Exception {
        HostedGuest hosted = Objects.requireNonNull(guests.named("web"));
        save(saved, file(), DomainOrder.Then.END, false);
        hosted.awaitEnd();
        guests.restore(file(), ClockPolicy.STAND_STILL, false, false, _ -> {});
        return fake.next();
    }

    @ParameterizedTest
    @CsvSource({"END, false", "GO_ON, false", "STAY_PAUSED, false", "END, true"})
    void diskThatIsBeingAttachedKeepsTheGuestFromBeingSaved(DomainOrder.Then then, boolean suspend)
            throws Exception {
        Domain domain = create();
        DeviceSpec second = disk("xvdb");
        try (DeviceChanges.Change _ = attachment.attaching("web", second)) {
            Refused refused =
                    assertThrows(Refused.class, () -> save(domain, file(), then, suspend));
            assertEquals(
                    "web cannot be saved now: a device is being attached, detached or resized",
                    refused.reason());
            assertEquals(false, Files.exists(file().path()));
        }
        assertEquals(GuestState.RUNNING, guests.state("web"));
        attach(second);
        assertEquals(List.of("51712", "51728"), fake.disks(restored(domain)));
    }

    /// While its state goes to a reader, nothing comes that is not in it.
    @Test
    void devicesOfAGuestThatIsBeingSavedDoNotChange() throws Exception {
        Domain domain = create();
        DeviceSpec second = disk("xvdb");
        SavePlace socket = new SavePlace(folder.resolve("pipe"), SavePlace.Kind.SOCKET);
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket.path()));
            FutureTask<Void> saving =
                    new FutureTask<>(() -> {
                        save(domain, socket, DomainOrder.Then.GO_ON, false);
                        return null;
                    });
            Thread.ofPlatform().name("saver").start(saving);
            try (SocketChannel service = server.accept()) {
                InputStream stream = Channels.newInputStream(service);
                assertEquals(1, stream.readNBytes(1).length);
                Refused refused = assertThrows(Refused.class, () -> attach(second));
                assertEquals(
                        "dom1 is being saved: its devices cannot change now", refused.reason());
                assertEquals(List.of("51712"), fake.disks(domain));
                stream.readAllBytes();
                service.write(ByteBuffer.wrap(new byte[] {'k'}));
            }
            saving.get();
        }
        attach(second);
        assertEquals(List.of("51712", "51728"), fake.disks(restored(domain)));
    }
}
