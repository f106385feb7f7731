package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.nbd.NbdStore.DiskOptions;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.SentDescriptors;
import io.xenemu.kvm.testing.Tool;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Images behind each of QEMU's programs, where it is installed.
@Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class StorageDaemonTest {
    private static final String NAME = "dom3-vbd-51712";

    @TempDir Path folder;
    private final List<AutoCloseable> open = new ArrayList<>();

    @AfterEach
    void end() throws Exception {
        for (AutoCloseable each : open.reversed()) {
            each.close();
        }
    }

    /// A folder with one of the two programs alone.
    private String searched(String program) throws Exception {
        Path only = Files.createDirectory(folder.resolve("bin"));
        for (String name : List.of(program, "setpriv").stream().distinct().toList()) {
            Path found =
                    Arrays.stream(System.getenv("PATH").split(":"))
                            .map(path -> Path.of(path, name))
                            .filter(Files::isExecutable)
                            .findFirst()
                            .orElse(null);
            Assumptions.assumeTrue(found != null, name + " is not installed");
            Files.createSymbolicLink(only.resolve(name), found);
        }
        return only.toString();
    }

    /// On a busy machine QEMU may fail to measure how long a key takes.
    private static void createEncrypted(Path image, Path key) throws Exception {
        int result = 1;
        for (int i = 0; i < 10 && result != 0; i++) {
            result =
                    new ProcessBuilder(
                                    "qemu-img",
                                    "create",
                                    "-q",
                                    "-f",
                                    "luks",
                                    "--object",
                                    "secret,id=k,file=" + key,
                                    "-o",
                                    "key-secret=k,iter-time=10",
                                    image.toString(),
                                    "1M")
                            .inheritIO()
                            .start()
                            .waitFor();
        }
        assertEquals(0, result);
    }

    private DiskUser user(QemuNbd server) throws Exception {
        NbdStore store =
                NbdStore.open(
                        server,
                        new DiskOptions(NAME, true, true, DiskServing.ANY_SECTOR),
                        new SimpleMeterRegistry());
        DiskUser user = new DiskUser(store);
        open.add(user);
        open.add(store);
        return user;
    }

    private QemuNbd server(Path image, ImageFormat format, @Nullable Path key, String program)
            throws Exception {
        return QemuNbd.of(
                new DiskImage(ImageSource.of(image.toString()), format, key, true, true, false),
                NAME,
                program);
    }

    @ParameterizedTest
    @ValueSource(strings = {"qemu-nbd", "qemu-storage-daemon"})
    void encryptedImageIsServedWithItsKey(String program) throws Exception {
        String searched = searched(program);
        Path key = Files.writeString(folder.resolve("a key"), "secret");
        Path image = folder.resolve("a.luks");
        createEncrypted(image, key);
        DiskUser user = user(server(image, ImageFormat.LUKS, key, searched));
        assertEquals(0, user.write(4096, 4096, 7).errno());
        assertEquals(0, user.flush().errno());
        byte[] expected = new byte[4096];
        Arrays.fill(expected, (byte) 7);
        var read = user.read(4096, 4096);
        assertEquals(0, read.errno());
        assertArrayEquals(expected, read.bytes());
        String raw = Files.readString(image, StandardCharsets.ISO_8859_1);
        assertFalse(raw.contains("\7\7\7\7"), "the image has no plain text");
    }

    @Test
    void storageDaemonThatDiesLosesNothing() throws Exception {
        Path image = folder.resolve("a.qcow2");
        String searched = searched("qemu-storage-daemon");
        Tool.run("qemu-img", "create", "-q", "-f", "qcow2", image.toString(), "64M");
        QemuNbd server = server(image, ImageFormat.QCOW2, null, searched);
        DiskUser user = user(server);
        for (int i = 0; i < 10; i++) {
            assertEquals(0, user.write((long) i << 16, 4096, i + 1).errno());
        }
        ProcessHandle first = server.process().orElseThrow();
        assertTrue(first.info().command().orElse("").endsWith("qemu-storage-daemon"));
        first.destroyForcibly();
        for (int i = 0; i < 10; i++) {
            var read = user.read((long) i << 16, 4096);
            assertEquals(0, read.errno());
            assertEquals(i + 1, read.bytes()[0]);
        }
        assertEquals(1, server.restarts());
        ProcessHandle second = server.process().orElseThrow();
        open.removeLast().close();
        assertFalse(second.isAlive());
        Tool.run("qemu-img", "check", "-q", image.toString());
    }

    private QemuNbd image(String searched) throws Exception {
        Path image = folder.resolve("a.qcow2");
        Tool.run("qemu-img", "create", "-q", "-f", "qcow2", image.toString(), "64M");
        return server(image, ImageFormat.QCOW2, null, searched);
    }

    /// As another process of the service gets it.
    private QemuNbd received(QemuNbd server) throws Exception {
        assertEquals(Optional.empty(), server.stays());
        List<HostFile> files =
                SentDescriptors.of(server.descriptors()).asList().stream()
                        .map(HostFile::received)
                        .toList();
        return QemuNbd.received(
                new DiskImage(
                        ImageSource.of(folder.resolve("a.qcow2").toString()),
                        ImageFormat.QCOW2,
                        null,
                        true,
                        true,
                        false),
                NAME,
                files);
    }

    @Test
    void storageDaemonThatIsHandedOverGoesOnWithTheNextStore() throws Exception {
        QemuNbd server = image(searched("qemu-storage-daemon"));
        DiskUser user = user(server);
        assertEquals(0, user.write(0, 4096, 1).errno());
        ProcessHandle process = server.process().orElseThrow();
        QemuNbd next = received(server);
        DiskUser nextUser = user(next);
        server.handedOver();
        open.remove(1).close();
        assertTrue(process.isAlive());
        assertEquals(process, next.process().orElseThrow());
        DiskUser.Transfer read = nextUser.read(0, 4096);
        assertEquals(0, read.errno());
        assertEquals(1, read.bytes()[0]);
        assertEquals(0, nextUser.write(4096, 4096, 2).errno());
        open.removeLast().close();
        assertFalse(process.isAlive());
        Tool.run("qemu-img", "check", "-q", folder.resolve("a.qcow2").toString());
    }

    @Test
    void storageDaemonThatIsNotHandedOverAfterAllEndsWithTheFirstStore() throws Exception {
        QemuNbd server = image(searched("qemu-storage-daemon"));
        DiskUser user = user(server);
        ProcessHandle process = server.process().orElseThrow();
        assertEquals(0, user(received(server)).read(0, 4096).errno());
        open.removeLast().close();
        assertTrue(process.isAlive());
        assertEquals(0, user.write(0, 4096, 1).errno());
        assertEquals(0, server.restarts());
        open.remove(1).close();
        assertFalse(process.isAlive());
    }

    /// However the last process of the service ends that has it.
    @Test
    void storageDaemonEndsWithTheServiceThatHasIt() throws Exception {
        QemuNbd server = image(searched("qemu-storage-daemon"));
        DiskUser user = user(server);
        assertEquals(0, user.write(0, 4096, 1).errno());
        ProcessHandle process = server.process().orElseThrow();
        Path pipe = Path.of("/proc/self/fd/" + server.descriptors().get(1)).toRealPath();
        Path ready = folder.resolve("ready");
        Process service =
                new ProcessBuilder(
                                "sh",
                                "-c",
                                "exec 3<>" + pipe + "; touch " + ready + "; exec sleep 600")
                        .start();
        open.add(service::destroyForcibly);
        Eventually.holds("it has the pipe", () -> Files.exists(ready));
        server.handedOver();
        open.remove(1).close();
        assertTrue(process.isAlive());
        service.destroyForcibly();
        Eventually.holds("it has ended", () -> !process.isAlive());
        Tool.run("qemu-img", "check", "-q", folder.resolve("a.qcow2").toString());
    }

    @Test
    void nothingWaitsForTheServiceAfterTheEndOfTheStorageDaemon() throws Exception {
        QemuNbd server = image(searched("qemu-storage-daemon"));
        DiskUser user = user(server);
        ProcessHandle process = server.process().orElseThrow();
        List<ProcessHandle> waiting = process.children().toList();
        assertEquals(1, waiting.size());
        process.destroyForcibly();
        Eventually.holds("it has ended", () -> !waiting.getFirst().isAlive());
        assertEquals(0, user.read(0, 4096).errno());
    }
}
