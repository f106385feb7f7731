package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.BlockKind;
import io.xenemu.core.backend.block.DiskChecker;
import io.xenemu.core.backend.block.FileStore;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.nbd.NbdOpener;
import io.xenemu.core.backend.net.NetKind;
import io.xenemu.core.backend.p9.P9Kind;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.host.HostProgram;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.net.NetInterface;
import io.xenemu.kvm.net.Tap;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Live updates of a guest whose disks and tap the service has open.
@Timeout(120)
final class UpdateDisksTest {
    @TempDir private Path folder = Path.of("");
    private final FakeHypervisor a = service();
    private final FakeHypervisor b = service();
    private final HostedGuests guestsA =
            new HostedGuests(a.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));
    private final HostedGuests guestsB =
            new HostedGuests(b.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    private static FakeHypervisor service() {
        return new FakeHypervisor(
                new BlockKind(
                        new NbdOpener(new SimpleMeterRegistry()),
                        DiskChecker.FILE,
                        new SimpleMeterRegistry()),
                new P9Kind(new SimpleMeterRegistry()),
                new NetKind(new SimpleMeterRegistry()));
    }

    @BeforeEach
    void start() throws Exception {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        guestsA.close();
        guestsB.close();
        a.close();
        b.close();
    }

    private Path image(String name) throws Exception {
        return Files.write(folder.resolve(name), new byte[1 << 20]);
    }

    private Domain create(DeviceSpec... devices) throws Exception {
        guestsA.create(
                WebGuest.request(
                        folder.resolve("kernel"),
                        EndActions.DEFAULT,
                        List.of(devices),
                        EngineMap.DEFAULT),
                false);
        return a.next();
    }

    private static DeviceSpec disk(String words) throws Refused {
        return DiskSpec.parse(List.of(words));
    }

    private List<String> update() throws Exception {
        return HandOver.run(folder, a, guestsA, guestsB);
    }

    private static void assertInUse(Path image, boolean writable) {
        Refused inUse =
                assertThrows(Refused.class, () -> FileStore.open(image, writable, false).close());
        assertTrue(inUse.reason().startsWith(image + " is in use"), inUse.reason());
    }

    @Test
    void disksStayLockedWhileTheyAreHandedOver() throws Exception {
        Path written = image("written");
        Path read = image("read");
        Domain domain = create(disk(written + ",raw,xvda,rw"), disk(read + ",raw,xvdb,r"));
        assertEquals(List.of("left", "taken"), update());
        Eventually.holds("it has left", () -> guestsA.named("web") == null);
        assertInUse(written, false);
        assertInUse(read, true);
        assertEquals(List.of("51712", "51728"), b.disks(domain));
        HostedGuest taken = Objects.requireNonNull(guestsB.named("web"));
        taken.stop();
        FileStore.open(written, true, false).close();
        FileStore.open(read, true, false).close();
    }

    @Test
    void serverOfAnImageGoesOnWhileItIsHandedOver() throws Exception {
        assumeTrue(
                HostProgram.find("qemu-nbd", HostProgram.folders()).isPresent(),
                "needs qemu-nbd (package qemu-utils)");
        Path image = folder.resolve("image");
        Tool.run("qemu-img", "create", "-q", "-f", "qcow2", image.toString(), "1M");
        Domain domain = create(disk(image + ",qcow2,xvda,rw"));
        ProcessHandle server = server(image);
        assertEquals(List.of("left", "taken"), update());
        Eventually.holds("it has left", () -> guestsA.named("web") == null);
        assertEquals(List.of("51712"), b.disks(domain));
        assertEquals(server, server(image));
        Objects.requireNonNull(guestsB.named("web")).stop();
        Eventually.holds("it ends", () -> !server.isAlive());
    }

    /// It is connected to once more, before the old process leaves it.
    @Test
    void diskOfAnotherServerIsHandedOver() throws Exception {
        Path socket = folder.resolve("nbd");
        assumeTrue(
                HostProgram.find("qemu-nbd", HostProgram.folders()).isPresent(),
                "needs qemu-nbd (package qemu-utils)");
        Process server =
                new ProcessBuilder(
                                "qemu-nbd",
                                "--persistent",
                                "--shared=4",
                                "--format=raw",
                                "--socket=" + socket,
                                image("disk").toString())
                        .start();
        try {
            Eventually.holds("it serves", () -> answers(socket));
            Domain domain = create(disk("nbd+unix:///?socket=" + socket + ",raw,xvda,rw"));
            assertEquals(List.of("left", "taken"), update());
            Eventually.holds("it has left", () -> guestsA.named("web") == null);
            assertEquals(List.of("51712"), b.disks(domain));
            Objects.requireNonNull(guestsB.named("web")).stop();
            assertTrue(server.isAlive());
        } finally {
            server.destroy();
        }
    }

    private static boolean answers(Path socket) {
        try (SocketChannel _ = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /// The one process that serves an image.
    private static ProcessHandle server(Path image) {
        List<ProcessHandle> servers =
                ProcessHandle.current()
                        .children()
                        .filter(child ->
                                child.info().commandLine().orElse("").contains(image + "\""))
                        .toList();
        assertEquals(1, servers.size());
        return servers.getFirst();
    }

    @Test
    void tapStaysPluggedInWhileItIsHandedOver() throws Exception {
        String name = "xeu" + ProcessHandle.current().pid() % 1_000_000;
        NetInterface tap = new NetInterface(name);
        assumeTapsCanBeMade(name);
        // A script of one's own joins no bridge.
        create(
                NicSpec.parse(
                        List.of("vifname=" + name, "script=/bin/true"), new SplittableRandom(1)));
        assertTrue(tap.exists() && tap.isUp());
        assertEquals(List.of("left", "taken"), update());
        Eventually.holds("it has left", () -> guestsA.named("web") == null);
        assertTrue(tap.exists() && tap.isUp());
        Objects.requireNonNull(guestsB.named("web")).stop();
        assertFalse(tap.exists());
    }

    private static void assumeTapsCanBeMade(String name) {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "needs /dev/net/tun");
        try {
            Tap.make(name).close();
        } catch (KvmException e) {
            assumeTrue(e.errno() != Errno.EPERM, "needs CAP_NET_ADMIN to make a tap");
            throw e;
        }
    }

    /// A disk whose name is gone cannot be opened again.
    @Test
    void imageWithoutANameIsHandedOverToo() throws Exception {
        Path image = image("removed");
        Domain domain = create(disk(image + ",raw,xvda,rw"));
        Files.delete(image);
        assertEquals(List.of("left", "taken"), update());
        assertEquals(List.of("51712"), b.disks(domain));
    }

    /// The folder stays open, though it has another name by now.
    @Test
    void shareIsHandedOver() throws Exception {
        Path shared = Files.createDirectory(folder.resolve("shared"));
        Domain domain = create(P9Spec.parse(List.of("tag=share,path=" + shared)));
        Files.move(shared, folder.resolve("moved"));
        assertEquals(List.of("left", "taken"), update());
        assertEquals(
                0,
                b.hypervisor
                        .devices()
                        .attachment()
                        .devices()
                        .list()
                        .find(DeviceKind.P9, domain.id(), "share")
                        .id());
    }

    @Test
    void disksOfAGuestThatGoesOnStayLocked() throws Exception {
        Path image = image("disk");
        create(disk(image + ",raw,xvda,rw"));
        b.hypervisor.close();
        guestsB.close();
        List<String> said = update();
        assertTrue(
                said.getFirst().startsWith("the new version cannot take over: "), said::toString);
        Eventually.holds("it goes on", () -> guestsA.state("web") == GuestState.RUNNING);
        assertInUse(image, false);
    }
}
