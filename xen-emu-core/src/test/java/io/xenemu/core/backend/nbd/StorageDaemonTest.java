package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.nbd.NbdStore.DiskOptions;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
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
        assertEquals(
                Optional.of("qemu-storage-daemon of its image ends with this process"),
                server.stays());
        ProcessHandle second = server.process().orElseThrow();
        open.removeLast().close();
        assertFalse(second.isAlive());
        Tool.run("qemu-img", "check", "-q", image.toString());
    }

    /// As it does with the service that has started it.
    @Test
    void storageDaemonEndsWithTheThreadThatHasStartedIt() throws Exception {
        Path setpriv = Path.of(searched("setpriv"), "setpriv");
        var started = new CompletableFuture<Process>();
        Thread parent =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                started.complete(
                                        new ProcessBuilder(
                                                        setpriv.toString(),
                                                        "--pdeathsig",
                                                        "TERM",
                                                        "--",
                                                        "sleep",
                                                        "600")
                                                .start());
                                Thread.sleep(1000);
                            } catch (IOException | InterruptedException e) {
                                started.completeExceptionally(e);
                            }
                        });
        Process process = started.get();
        open.add(process::destroyForcibly);
        parent.join();
        Eventually.holds("it has ended", () -> !process.isAlive());
    }
}
