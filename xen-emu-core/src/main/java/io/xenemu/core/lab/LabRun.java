package io.xenemu.core.lab;

import com.google.common.net.HostAndPort;
import io.xenemu.core.device.Terminal;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/// `xen-emu run` on a host whose KVM has no Xen support. The same run takes place inside the lab. The console, the
/// XenStore socket and the metrics port are on the host, as the user asked.
public final class LabRun {
    /// The hidden option of `run` that the run inside gets: see [LabRelay#start].
    public static final String RELAY_OPTION = "--lab-relay";

    /// The environment variable that the launcher sets to its own path.
    private static final String LAUNCHER_VARIABLE = "XEN_EMU_LAUNCHER";

    // Ports of the machine's own loopback interface, which has no other services.
    private static final int XENSTORE_PORT = 2;
    private static final int METRICS_PORT = 3;
    private static final String XENSTORE_SOCKET_INSIDE = "/run/xen-emu/xenstore";
    private static final long POLL_MILLIS = 50;

    private final LabImages images;
    private final Path launcher;
    private final Consumer<String> progress;

    /// A run in a machine of its own.
    ///
    /// @param launcher `xen-emu-core/bin/xen-emu`
    /// @param progress gets one line that tells of the lab
    public LabRun(LabImages images, Path launcher, Consumer<String> progress) {
        this.images = images;
        this.launcher = launcher;
        this.progress = progress;
    }

    /// A run by this process's own xen-emu.
    ///
    /// @throws LabException if this process was not started by the launcher
    public static LabRun ofThisProgram(Consumer<String> progress) throws LabException {
        String launcher = System.getenv(LAUNCHER_VARIABLE);
        if (launcher == null) {
            throw new LabException(
                    "the lab needs xen-emu to be started by its launcher, bin/xen-emu");
        }
        return new LabRun(
                new LabImages(CacheFolder.of(System.getenv()), progress),
                Path.of(launcher),
                progress);
    }

    /// Runs a guest, with this process's stdin, stdout and stderr.
    ///
    /// @param arguments of `xen-emu run`, without the word `run`, checked already
    /// @param terminated gets an action that passes a first SIGTERM on to the run inside, which then ends in its own
    ///     time
    /// @return the exit code of the run inside
    /// @throws LabException with one clear line when the lab is not available, or an address is in use
    public int runInLab(List<String> arguments, Consumer<Runnable> terminated)
            throws IOException, InterruptedException {
        RunArguments split = RunArguments.parse(arguments);
        progress.accept("no KVM with Xen support here: running in the lab (software emulation)");
        List<String> command = new ArrayList<>(List.of(launcher.toString(), "run"));
        command.addAll(split.inner());
        command.addAll(List.of(RunArguments.LAB, "never"));
        command.addAll(List.of(RELAY_OPTION, Integer.toString(XENSTORE_PORT)));
        List<LabForward> forwards = new ArrayList<>();
        try {
            if (split.outer(RunArguments.XENSTORE_SOCKET).isPresent()) {
                Path path = Path.of(split.outer(RunArguments.XENSTORE_SOCKET).get());
                forwards.add(LabForward.unix(path, XENSTORE_PORT));
                command.addAll(List.of(RunArguments.XENSTORE_SOCKET, XENSTORE_SOCKET_INSIDE));
            }
            if (split.outer(RunArguments.METRICS).isPresent()) {
                HostAndPort address =
                        HostAndPort.fromString(split.outer(RunArguments.METRICS).get());
                forwards.add(
                        LabForward.tcp(
                                new InetSocketAddress(address.getHost(), address.getPort()),
                                METRICS_PORT));
                command.addAll(List.of(RunArguments.METRICS, "127.0.0.1:" + METRICS_PORT));
            }
            try (LabMachine machine = LabMachine.boot(images);
                    Terminal _ = Terminal.shared()) {
                Thread.ofVirtual().start(() -> serveWhenUp(machine, forwards));
                return ForegroundCommand.run(machine, command, terminated);
            }
        } finally {
            for (LabForward forward : forwards) {
                forward.close();
            }
        }
    }

    private static void serveWhenUp(LabMachine machine, List<LabForward> forwards) {
        try {
            while (!Files.exists(machine.share().resolve(LabRelay.SERVICES_UP))) {
                if (!machine.isAlive()) {
                    return;
                }
                Thread.sleep(POLL_MILLIS);
            }
            forwards.forEach(forward -> forward.start(machine));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
