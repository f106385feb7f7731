package io.xenemu.it.guest;

import io.xenemu.core.lab.LabMachine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// Runs test guests in a lab machine.
///
/// @param machine the machine
/// @param limitSeconds after which a run is killed; what it has printed by then is its output
public record GuestRunner(LabMachine machine, long limitSeconds) {

    /// What VMMs are started with.
    public static final Map<String, String> ENVIRONMENT =
            Map.of("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "HOME", "/root");

    /// One run's serial output; what the VMM itself says goes to this program's stderr. The exit code is not looked at: the
    /// peer crashes when its guest powers off.
    public String run(Vmm vmm, Path guest, String append, int vcpus)
            throws IOException, InterruptedException {
        List<String> command = vmm.command(guest, append, vcpus);
        Process process = machine.start(command, Path.of("").toAbsolutePath(), ENVIRONMENT);
        process.getOutputStream().close();
        Thread messages = Thread.ofVirtual().start(() -> passOn(process));
        Thread watchdog = Thread.ofVirtual().start(() -> killAfterLimit(process));
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        watchdog.interrupt();
        messages.join();
        return output;
    }

    private static void passOn(Process process) {
        process.errorReader().lines().forEach(System.err::println);
    }

    private void killAfterLimit(Process process) {
        try {
            if (!process.waitFor(limitSeconds, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }
}
