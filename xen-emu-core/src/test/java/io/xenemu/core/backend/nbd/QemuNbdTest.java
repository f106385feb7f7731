package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.block.BlockKind;
import io.xenemu.core.backend.nbd.NbdStore.DiskOptions;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Disk images behind a real qemu-nbd.
@Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class QemuNbdTest {
    private static final int PAGE = 4096;

    /// A cluster of qcow2: each gets an entry in a table that QEMU writes at a flush.
    private static final int CLUSTER = 64 << 10;

    private static final String NAME = "dom3-vbd-51712";

    @TempDir Path folder;
    private final List<AutoCloseable> open = new ArrayList<>();

    @BeforeAll
    static void needQemu() throws Exception {
        Assumptions.assumeTrue(
                isInstalled("qemu-nbd") && isInstalled("qemu-img"),
                "qemu-nbd is not installed (package qemu-utils)");
    }

    private static boolean isInstalled(String program) {
        return Arrays.stream(System.getenv("PATH").split(":"))
                .anyMatch(path -> Files.isExecutable(Path.of(path, program)));
    }

    @AfterEach
    void end() throws Exception {
        for (AutoCloseable each : open.reversed()) {
            each.close();
        }
    }

    private Path image(String name, ImageFormat format) throws Exception {
        Path path = folder.resolve(name);
        Tool.run("qemu-img", "create", "-q", "-f", format.driver(), path.toString(), "128M");
        return path;
    }

    private QemuNbd server(Path path, ImageFormat format, boolean writable) throws IOException {
        return QemuNbd.of(
                new DiskImage(new ImageSource.ImageFile(path), format, null, writable, true, false),
                NAME);
    }

    private NbdStore store(NbdServer server, boolean writable) throws IOException {
        NbdStore store =
                NbdStore.open(
                        server,
                        new DiskOptions(NAME, writable, true, DiskServing.ANY_SECTOR),
                        new SimpleMeterRegistry());
        open.add(store);
        return store;
    }

    private DiskUser user(NbdStore store) {
        DiskUser user = new DiskUser(store);
        // Its memory outlives the store.
        open.addFirst(user);
        return user;
    }

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    @ParameterizedTest
    @EnumSource(
            value = ImageFormat.class,
            names = {"QCOW2", "VHD", "VHDX", "VMDK", "VDI", "QED", "QCOW"})
    void bytesComeBackInEachFormat(ImageFormat format) throws Exception {
        Path path = image("disk", format);
        NbdStore store = store(server(path, format, true), true);
        DiskUser user = user(store);
        assertEquals(0, user.write(512, 512, 1).errno());
        assertEquals(0, user.write(1 << 20, 5 * PAGE, 2).errno());
        assertEquals(0, user.flush().errno());
        store.close();

        DiskUser again = user(store(server(path, format, false), false));
        var read = again.read(512, 512);
        assertEquals(0, read.errno());
        assertArrayEquals(filled(512, 1), read.bytes());
        read = again.read(1 << 20, 5 * PAGE);
        assertEquals(0, read.errno());
        assertArrayEquals(filled(5 * PAGE, 2), read.bytes());
        assertEquals(Errno.EOPNOTSUPP, again.write(0, 512, 1).errno());
    }

    @Test
    void discardAndZeroesReadAsZeros() throws Exception {
        NbdStore store =
                store(server(image("disk", ImageFormat.QCOW2), ImageFormat.QCOW2, true), true);
        assertTrue(store.features().discard() && store.features().writeZeroes());
        DiskUser user = user(store);
        assertEquals(0, user.write(0, 3 * CLUSTER, 5).errno());
        assertEquals(0, user.discard(0, CLUSTER).errno());
        assertEquals(0, user.zeroes(CLUSTER, CLUSTER).errno());
        var read = user.read(0, 3 * CLUSTER);
        assertEquals(0, read.errno());
        byte[] expected = new byte[3 * CLUSTER];
        Arrays.fill(expected, 2 * CLUSTER, 3 * CLUSTER, (byte) 5);
        assertArrayEquals(expected, read.bytes());
        NbdExtents extents = store.extents(0, 4 * CLUSTER);
        assertEquals(0, extents.state(extents.count() - 2) & NbdExtents.HOLE, "the data");
        assertEquals(CLUSTER, extents.length(extents.count() - 2));
        assertTrue((extents.state(extents.count() - 1) & NbdExtents.HOLE) != 0, "never written");
    }

    @Test
    void killOfServerLosesNoAcknowledgedWrite() throws Exception {
        Path path = image("disk", ImageFormat.QCOW2);
        QemuNbd server = server(path, ImageFormat.QCOW2, true);
        NbdStore store = store(server, true);
        DiskUser user = user(store);
        List<DiskUser.Transfer> writes = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            writes.add(user.write((long) i * CLUSTER, PAGE, i + 1));
            if (i % 300 == 299) {
                // Some are answered, some are not.
                assertEquals(0, writes.get(i - 40).errno());
                server.process().ifPresent(ProcessHandle::destroyForcibly);
            }
        }
        for (var write : writes) {
            assertEquals(0, write.errno());
        }
        assertTrue(store.reconnects() >= 1 && store.restarts() >= 1);
        // Once more, without a write afterwards: all of them have been acknowledged.
        Eventually.holds("it runs", () -> server.process().isPresent());
        server.process().orElseThrow().destroyForcibly();
        store.close();

        Tool.run("qemu-img", "check", "-q", "-f", "qcow2", path.toString());
        Path raw = folder.resolve("raw");
        Tool.run(
                "qemu-img", "convert", "-f", "qcow2", "-O", "raw", path.toString(), raw.toString());
        byte[] all = Files.readAllBytes(raw);
        for (int i = 0; i < 1000; i++) {
            assertArrayEquals(
                    filled(PAGE, i + 1),
                    Arrays.copyOfRange(all, i * CLUSTER, i * CLUSTER + PAGE),
                    "write " + i);
        }
    }

    private static DiskImage qcow2(Path path) {
        return new DiskImage(
                new ImageSource.ImageFile(path), ImageFormat.QCOW2, null, true, true, false);
    }

    /// As another process of the service gets it.
    private QemuNbd received(Path path, QemuNbd server) throws IOException {
        assertEquals(Optional.empty(), server.stays());
        Path opened = Path.of("/proc/self/fd/" + server.descriptors().get(0));
        return QemuNbd.received(qcow2(path), NAME, List.of(HostFile.open(opened, Set.of())));
    }

    @Test
    void serverThatIsHandedOverGoesOnWithTheNextStore() throws Exception {
        Path path = image("disk", ImageFormat.QCOW2);
        QemuNbd server = server(path, ImageFormat.QCOW2, true);
        NbdStore store = store(server, true);
        DiskUser user = user(store);
        assertEquals(0, user.write(0, CLUSTER, 1).errno());
        assertEquals(0, user.flush().errno());
        ProcessHandle process = server.process().orElseThrow();

        QemuNbd next = received(path, server);
        NbdStore nextStore = store(next, true);
        DiskUser nextUser = user(nextStore);
        assertEquals(process, next.process().orElseThrow());
        server.handedOver();
        store.close();
        assertTrue(process.isAlive());
        assertReads(1, nextUser.read(0, CLUSTER));
        assertEquals(0, nextUser.write(CLUSTER, CLUSTER, 2).errno());
        // It is started again where it was.
        process.destroyForcibly();
        assertReads(2, nextUser.read(CLUSTER, CLUSTER));
        assertEquals(1, nextStore.restarts());
        nextStore.close();
        assertEquals(Optional.empty(), next.process());
        Tool.run("qemu-img", "check", "-q", "-f", "qcow2", path.toString());
    }

    private static void assertReads(int value, DiskUser.Transfer read) {
        assertEquals(0, read.errno());
        assertArrayEquals(filled(CLUSTER, value), read.bytes());
    }

    /// The old process goes on with it.
    @Test
    void serverThatIsNotHandedOverAfterAllEndsWithTheFirstStore() throws Exception {
        Path path = image("disk", ImageFormat.QCOW2);
        QemuNbd server = server(path, ImageFormat.QCOW2, true);
        NbdStore store = store(server, true);
        ProcessHandle process = server.process().orElseThrow();
        NbdStore given = store(received(path, server), true);
        assertEquals(0, user(given).read(0, CLUSTER).errno());
        given.close();
        assertTrue(process.isAlive());
        assertEquals(0, user(store).write(0, CLUSTER, 1).errno());
        assertEquals(0, store.restarts());
        store.close();
        assertFalse(process.isAlive());
    }

    @Test
    void serverThatDiesAgainAndAgainIsGivenUp() throws Exception {
        QemuNbd server = server(image("disk", ImageFormat.QCOW2), ImageFormat.QCOW2, true);
        NbdStore store = store(server, true);
        DiskUser user = user(store);
        int errno = 0;
        for (int i = 0; i < 10 && errno == 0; i++) {
            var process = server.process();
            process.ifPresent(ProcessHandle::destroyForcibly);
            process.ifPresent(p -> p.onExit().join());
            errno = user.read(0, 512).errno();
        }
        assertEquals(Errno.EIO, errno);
        assertEquals(4, store.restarts());
        assertEquals(Errno.EIO, user.read(0, 512).errno(), "at once");
    }

    @Test
    void processAndItsFolderEndWithTheStore() throws Exception {
        QemuNbd server = server(image("disk", ImageFormat.QCOW2), ImageFormat.QCOW2, true);
        NbdStore store = store(server, true);
        ProcessHandle process = server.process().orElseThrow();
        String[] arguments = process.info().arguments().orElseThrow();
        Path socket =
                Path.of(
                        Arrays.stream(arguments)
                                .filter(word -> word.startsWith("--socket="))
                                .findFirst()
                                .orElseThrow()
                                .substring("--socket=".length()));
        assertEquals(
                "rwx------",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(socket.getParent())));
        store.close();
        assertFalse(process.isAlive());
        assertFalse(Files.exists(socket.getParent()));
    }

    @Test
    void nameIsNeitherOptionNorProtocol() throws Exception {
        // In the C locale a path has ASCII alone.
        Charset ofPaths = Charset.forName(System.getProperty("sun.jnu.encoding"));
        String accent = ofPaths.newEncoder().canEncode('é') ? "é" : "";
        String odd = "-f,format=raw \"x\\y\" json:{} nbd:" + accent;
        Path path = image("plain", ImageFormat.QCOW2);
        Path moved = Files.move(path, folder.resolve(odd));
        DiskUser user = user(store(server(moved, ImageFormat.QCOW2, true), true));
        assertEquals(0, user.write(0, 512, 1).errno());
    }

    @Test
    void serverOfSomebodyElseIsReachedByTcp() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        Path path = image("disk", ImageFormat.QCOW2);
        Process process =
                new ProcessBuilder(
                                "qemu-nbd",
                                "--persistent",
                                "--shared=4",
                                "--bind=127.0.0.1",
                                "--port=" + port,
                                "--export-name=a b",
                                "--format=qcow2",
                                path.toString())
                        .inheritIO()
                        .start();
        open.add(process::destroyForcibly);
        NbdUri uri = NbdUri.parse("nbd://127.0.0.1:%d/a%%20b".formatted(port));
        Eventually.holds("it listens", () -> listens(uri));
        DiskUser user = user(store(new RemoteServer(uri), true));
        assertEquals(0, user.write(4096, PAGE, 3).errno());
        assertEquals(0, user.flush().errno());
        var read = user.read(4096, PAGE);
        assertEquals(0, read.errno());
        assertArrayEquals(filled(PAGE, 3), read.bytes());
        NbdUri other = NbdUri.parse("nbd://127.0.0.1:%d/none".formatted(port));
        var e = assertThrows(NbdException.class, () -> store(new RemoteServer(other), true));
        assertTrue(e.getMessage().startsWith("the NBD server has no such export"), e.getMessage());
    }

    private static boolean listens(NbdUri uri) {
        try (Socket _ = new Socket(uri.host(), uri.port())) {
            return true;
        } catch (IOException _) {
            return false;
        }
    }

    @Test
    void secondWriterIsRefusedInOneLine() throws Exception {
        Path path = image("disk", ImageFormat.QCOW2);
        NbdStore _ = store(server(path, ImageFormat.QCOW2, true), true);
        var e =
                assertThrows(
                        NbdException.class,
                        () -> store(server(path, ImageFormat.QCOW2, true), true));
        assertTrue(
                e.getMessage().startsWith("qemu-nbd cannot serve " + path + ": "), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void otherFormatIsRefusedInOneLine() throws Exception {
        Path path = folder.resolve("raw");
        Files.write(path, new byte[1 << 20]);
        var e =
                assertThrows(
                        NbdException.class,
                        () -> store(server(path, ImageFormat.QCOW2, true), true));
        assertEquals(
                "qemu-nbd cannot serve " + path + ": Image is not in qcow2 format", e.getMessage());
    }

    @Test
    void missingProgramIsToldInOneLine() {
        var e =
                assertThrows(
                        NbdException.class,
                        () -> QemuNbd.of(qcow2(folder.resolve("x")), NAME, folder.toString()));
        assertEquals(
                folder.resolve("x")
                        + ": this format needs qemu-nbd (Debian: qemu-utils) or qemu-storage-daemon"
                        + " (qemu-system-common), and neither is installed",
                e.getMessage());
    }

    /// As for a guest that moves: the image is served by one process, and QEMU's own lock shows it to the other host.
    @Test
    void imageIsGivenUpForAnotherServiceAndClaimedAgain() throws Exception {
        Path path = image("disk", ImageFormat.QCOW2);
        DiskSpec spec = DiskSpec.parse(List.of(path + ",qcow2,xvda,rw"));
        NbdOpener opener = new NbdOpener(new SimpleMeterRegistry());
        BlockKind kind = new BlockKind(opener, opener::check, new SimpleMeterRegistry());
        Duration limit = Duration.ofSeconds(60);
        BackendDevice.Claimed here = (BackendDevice.Claimed) kind.open(spec);
        open.add(here::close);
        assertEquals(
                path + " is here, and the other host's lock is seen",
                opener.check(spec, 128 << 20, false));
        assertThrows(Refused.class, () -> kind.open(spec));

        here.flush(limit);
        here.release(null, limit);
        assertThrows(Refused.class, () -> opener.check(spec, 128 << 20, false));
        BackendDevice there = kind.open(spec);
        try {
            assertThrows(Refused.class, () -> here.claim(null));
        } finally {
            there.close();
        }
        here.claim(null);
        assertThrows(Refused.class, () -> kind.open(spec));
    }
}
