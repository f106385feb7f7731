package io.xenemu.it.linux;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import io.xenemu.kvm.testing.FreePort;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/// `xen-emu run` on a host without Xen support in its KVM: the guest is in the lab, and its console, sockets and
/// metrics are on the host.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class RunInLabIT {
    private static final String ONE_LINE =
            "xen-emu: no KVM with Xen support here: running in the lab (software emulation)";

    @TempDir private Path folder = Path.of("");

    @Test
    void consoleXenStoreAndMetricsAreOnTheHost(Lab lab) throws Exception {
        String metrics = "127.0.0.1:" + FreePort.next();
        Path socket = folder.resolve("xenstore");
        RunningCommand guest =
                start(lab, "--xenstore-socket", socket.toString(), "--metrics", metrics);
        guest.awaitText("/root # ");
        guest.type("echo sum=$((20 + 22))\n");
        guest.awaitText("sum=42");

        String name = store(socket, "xenstore-read", "/local/domain/1/name");
        String scrape;
        try (var body = URI.create("http://" + metrics + "/metrics").toURL().openStream()) {
            scrape = new String(body.readAllBytes(), UTF_8);
        }
        store(socket, "xenstore-write", "/local/domain/1/control/shutdown", "poweroff");

        assertEquals(0, guest.awaitExit(), guest.output());
        assertEquals("beta\n", name);
        assertTrue(scrape.contains("domain=\"1\""), scrape);
        assertEquals(1, guest.output().lines().filter(ONE_LINE::equals).count());
        assertFalse(Files.exists(socket), "the socket is left behind");
    }

    @Test
    void sigtermEndsTheGuestAndTheLab(Lab lab) throws Exception {
        Path socket = folder.resolve("xenstore");
        RunningCommand guest =
                start(lab, "--xenstore-socket", socket.toString(), "--stop-timeout", "2");
        guest.awaitText("Linux version");
        guest.terminate();

        assertEquals(143, guest.awaitExit(), guest.output());
        assertFalse(guest.output().contains("\tat "), guest.output());
        assertFalse(Files.exists(socket), "the socket is left behind");
    }

    @Test
    void aPortInUseFailsInOneLineBeforeTheLabBoots(Lab lab) throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String address = "127.0.0.1:" + taken.getLocalPort();
            RunningCommand guest = start(lab, "--metrics", address);

            assertEquals(1, guest.awaitExit(), guest.output());
            assertEquals(
                    List.of(
                            ONE_LINE,
                            "xen-emu: cannot listen on " + address + ": Address already in use"),
                    guest.output().lines().toList());
        }
    }

    private static RunningCommand start(Lab lab, String... more) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("run", "--lab", "always"));
        arguments.addAll(List.of("--name", "beta"));
        arguments.addAll(List.of(more));
        arguments.addAll(LinuxImages.arguments(lab, "6.12", Optional.empty()));
        return lab.xenEmuOnTheHost(arguments);
    }

    private static String store(Path socket, String... command)
            throws IOException, InterruptedException {
        ProcessBuilder tool = new ProcessBuilder(command).redirectErrorStream(true);
        tool.environment().put("XENSTORED_PATH", socket.toString());
        Process process = tool.start();
        String printed = new String(process.getInputStream().readAllBytes(), UTF_8);
        assertEquals(0, process.waitFor(), printed);
        return printed;
    }
}
