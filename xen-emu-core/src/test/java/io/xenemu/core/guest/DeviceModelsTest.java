package io.xenemu.core.guest;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Processes that the service starts as device models. They are shell scripts; a machine is attached in their name.
class DeviceModelsTest {
    private static final long BYTES = GuestMemoryMap.MIN_BYTES;
    private static final long LIMIT_SECONDS = 120;

    /// Tells where to attach, and sends back what is typed on the serial port.
    private static final String SCRIPT =
            """
            #!/bin/sh
            cd %s
            printf '%%s' "$XEN_EMU_SETTINGS" >settings
            echo $$ >pid
            echo "$XEN_EMU_ATTACH" >attach.new
            mv attach.new attach
            exec cat
            """;

    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake = new FakeHypervisor();
    private HostedGuests guests;
    private DeviceModels models;

    @BeforeEach
    void begin() throws IOException {
        guests = new HostedGuests(fake.hypervisor, folder, folder.resolve("migrations"));
        models = new DeviceModels(guests, library());
    }

    @AfterEach
    void end() {
        models.close();
        guests.close();
        fake.close();
    }

    /// Any library that can be preloaded.
    private static Path library() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/maps")).stream()
                .filter(line -> line.endsWith("/libc.so.6"))
                .map(line -> Path.of(line.substring(line.indexOf('/'))))
                .findFirst()
                .orElseThrow();
    }

    private Path script(String text) throws IOException {
        Path file = folder.resolve("model");
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
        return file;
    }

    private Void create(Path program) throws Exception {
        GuestSettings settings =
                GuestSettings.of(
                        List.of(
                                "device_model_override=" + program,
                                "name=web",
                                "max_event_channels=200",
                                "kernel=/k"));
        models.create(
                settings,
                settings.request(),
                Objects.requireNonNull(settings.deviceModel()),
                false);
        return null;
    }

    private String refusal(Path program) {
        return assertThrows(Refused.class, () -> create(program)).reason();
    }

    @Test
    void modelThatEndsAtOnceIsOneLine() throws IOException {
        Path program = script("#!/bin/sh\necho 'no such machine' >&2\nexit 3\n");
        assertEquals(
                "the device model cannot start: no such machine (exit code 3)", refusal(program));
        assertNull(guests.named("web"));
    }

    @Test
    void programThatIsNotThereIsOneLine() {
        assertEquals("/nonexistent/qemu is no program", refusal(Path.of("/nonexistent/qemu")));
    }

    @Test
    void buildWithoutTheLibraryHasNoDeviceModels() throws IOException {
        models = new DeviceModels(guests, folder.resolve("none.so"));
        assertEquals(
                "this build has no lib/xen-attach.so, which a device model needs (it is made where there is gcc)",
                refusal(script(SCRIPT)));
    }

    /// A guest whose device model is a script.
    private final class Modelled implements AutoCloseable {
        private final SpeakingVmm.HostVcpu host = SpeakingVmm.HostVcpu.make();
        private final SpeakingVmm vmm;
        final ProcessHandle process;

        Modelled() throws Exception {
            Path program = script(SCRIPT.formatted(folder));
            CompletableFuture<Void> created = new CompletableFuture<>();
            Thread _ =
                    Thread.ofPlatform()
                            .name("create")
                            .start(() -> {
                                try {
                                    created.complete(create(program));
                                } catch (Exception e) {
                                    created.completeExceptionally(e);
                                }
                            });
            Eventually.holds("an attach socket", () -> Files.exists(folder.resolve("attach")));
            process = ProcessHandle.of(Long.parseLong(text("pid"))).orElseThrow();
            vmm = new SpeakingVmm(Path.of(text("attach")));
            vmm.hello(1, Files.readString(folder.resolve("settings")));
            done();
            try (MemFd memory = MemFd.create("guest", BYTES + SpeakingVmm.SPARE_BYTES)) {
                vmm.memory(memory, BYTES, 0);
                done();
            }
            vmm.vcpu(0, SpeakingVmm.vcpuDescriptor());
            done();
            vmm.start();
            done();
            created.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        }

        private String text(String file) throws IOException {
            return Files.readString(folder.resolve(file)).strip();
        }

        private void done() throws IOException {
            SpeakingVmm.Said said = vmm.hear();
            assertNotNull(said);
            assertEquals(0, said.result(), said::text);
        }

        /// The process dies, and its machine with it.
        void dies() {
            assertTrue(process.destroyForcibly());
            vmm.close();
        }

        @Override
        public void close() {
            vmm.close();
            host.close();
        }
    }

    @Test
    void guestHasItsSettingsAndEndsWithItsDeviceModel() throws Exception {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "no /dev/kvm");
        try (Modelled modelled = new Modelled()) {
            assertEquals(200, fake.next().config().events().maxEventChannels());
            assertNotNull(guests.named("web"));
            assertEquals("a domain has this name already: web", refusal(Path.of("/bin/true")));
            Path attach = Path.of(modelled.text("attach"));
            modelled.dies();
            Eventually.holds("the end of the guest", () -> guests.named("web") == null);
            Eventually.holds("no folder", () -> Files.notExists(attach.getParent()));
        }
    }

    @Test
    void serialPortIsTheProcesssStandardInputAndOutput() throws Exception {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "no /dev/kvm");
        try (Modelled modelled = new Modelled()) {
            HostedGuest guest = Objects.requireNonNull(guests.named("web"));
            byte[] typed = "login\n".getBytes(UTF_8);
            assertTrue(guest.serial().type(typed, typed.length));
            List<Byte> printed = new ArrayList<>();
            try (var reader = guest.serial().reader()) {
                byte[] bytes = new byte[100];
                while (printed.size() < typed.length) {
                    int n = reader.take(bytes);
                    for (int i = 0; i < n; i++) {
                        printed.add(bytes[i]);
                    }
                }
            }
            for (int i = 0; i < typed.length; i++) {
                assertEquals(typed[i], printed.get(i));
            }
            modelled.dies();
        }
    }

    @Test
    void endOfTheServiceEndsDeviceModels() throws Exception {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "no /dev/kvm");
        try (Modelled modelled = new Modelled()) {
            Thread closer = Thread.ofPlatform().name("closer").start(models::close);
            assertEquals(
                    modelled.process,
                    modelled.process.onExit().get(LIMIT_SECONDS, TimeUnit.SECONDS));
            modelled.vmm.close();
            closer.join();
            assertNull(guests.named("web"));
            assertFalse(modelled.process.isAlive());
        }
    }
}
