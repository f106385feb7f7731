package io.xenemu.core.lab;

import com.google.common.base.Splitter;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A running lab machine (L1): an emulated AMD machine whose /dev/kvm has every Xen capability. Commands run in it with the host's files visible
/// read-only under their own paths; /tmp and /run are the machine's own (what the host has in /tmp shows through), and {@link #share} is
/// written through to the host. One machine serves any number of commands at once. It ends with this process, however this process ends.
public final class LabMachine implements AutoCloseable {
    /// Name of the environment variable that tells a command where {@link #share} is.
    public static final String SHARE_VARIABLE = "XEN_EMU_LAB_SHARE";

    /// Emulation on a loaded machine is slow; a machine that boots needs 5 s on an idle one.
    private static final Duration BOOT_LIMIT = Duration.ofMinutes(4);

    private static final long POLL_MILLIS = 50;
    private static final int TOKEN_BYTES = 16;
    private static final Pattern FORWARDED =
            Pattern.compile("HOST_FORWARD]\\s+\\d+\\s+127\\.0\\.0\\.1\\s+(\\d+)");

    private final Process qemu;
    private final MachineFolder folder;
    private final LabChannel channel;
    private final Path executable;
    private final AtomicLong nextCommand = new AtomicLong(1);
    private boolean closed;

    private LabMachine(Process qemu, MachineFolder folder, LabChannel channel, Path executable) {
        this.qemu = qemu;
        this.executable = executable;
        this.folder = folder;
        this.channel = channel;
    }

    /// Fetches what is missing and boots a machine with [LabCpus#ONE].
    ///
    /// @throws LabException with one clear line when there can be no lab here
    public static LabMachine boot(LabImages images) throws IOException {
        return boot(images, LabCpus.ONE);
    }

    /// Fetches what is missing and boots a machine.
    ///
    /// @throws LabException with one clear line when there can be no lab here
    public static LabMachine boot(LabImages images, LabCpus cpus) throws IOException {
        LabImages.Kernel kernel = images.kernel("6.12");
        Path initramfs = L1Initramfs.of(images, kernel);
        Path executable = images.qemu();
        byte[] secret = new byte[TOKEN_BYTES];
        new SecureRandom().nextBytes(secret);
        String token = HexFormat.of().formatHex(secret);
        MachineFolder folder = MachineFolder.create(images.cache(), token);
        try {
            Process qemu =
                    QemuProcess.start(
                            L1CommandLine.of(executable, cpus, kernel.image(), initramfs, folder),
                            folder.qemuLog());
            try {
                int port = forwardedPort(qemu, folder);
                awaitReady(qemu, folder);
                return new LabMachine(qemu, folder, new LabChannel(port, token), executable);
            } catch (IOException | RuntimeException e) {
                qemu.destroyForcibly();
                throw e;
            }
        } catch (IOException | RuntimeException e) {
            folder.delete();
            throw e;
        }
    }

    /// The folder that commands in the machine and the host both can write, at the same path.
    public Path share() {
        return folder.share();
    }

    /// Starts a command.
    ///
    /// @param folder where it runs; has to exist on the host
    /// @param environment all of its environment
    public LabProcess start(List<String> command, Path folder, Map<String, String> environment)
            throws IOException {
        Map<String, String> all = new TreeMap<>(environment);
        all.put(SHARE_VARIABLE, share().toString());
        all.put("PATH", pathWithQemu(environment.getOrDefault("PATH", "/usr/bin:/bin")));
        long id = nextCommand.getAndIncrement();
        byte[] script =
                ShellScript.of(LabProcess.pidFile(id), folder.toAbsolutePath(), all, command);
        try {
            return LabProcess.start(channel, id, script);
        } catch (IOException e) {
            throw qemu.isAlive()
                    ? new LabException(e.getMessage() + ": " + this.folder.lastWords(), e)
                    : ended(qemu, this.folder);
        }
    }

    /// The same QEMU is the peer inside, by its usual name.
    private String pathWithQemu(String path) {
        String folder = String.valueOf(executable.getParent());
        return Splitter.on(':').splitToStream(path).anyMatch(folder::equals)
                ? path
                : folder + ":" + path;
    }

    /// Connects to a TCP port of the machine's loopback.
    public SocketChannel connect(int port) throws IOException {
        return channel.connectTcp(port);
    }

    /// Whether the machine runs.
    public boolean isAlive() {
        return qemu.isAlive();
    }

    /// Stops the machine at once, and every command in it. Any thread may do so, more than once.
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        qemu.destroyForcibly();
        try {
            qemu.waitFor();
            folder.delete();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Asks QEMU which port it took: it was told to take any.
    private static int forwardedPort(Process qemu, MachineFolder folder) throws IOException {
        try (var requests = qemu.outputWriter()) {
            requests.write(
                    """
                    {"execute":"qmp_capabilities"}
                    {"execute":"human-monitor-command","arguments":{"command-line":"info usernet"}}
                    """);
            requests.flush();
            BufferedReader replies = qemu.inputReader();
            for (String line = replies.readLine(); line != null; line = replies.readLine()) {
                Matcher matcher = FORWARDED.matcher(line);
                if (matcher.find()) {
                    return Integer.parseInt(matcher.group(1));
                }
            }
        }
        throw ended(qemu, folder);
    }

    private static void awaitReady(Process qemu, MachineFolder folder) throws IOException {
        Instant limit = Instant.now().plus(BOOT_LIMIT);
        try {
            while (!Files.exists(folder.ready())) {
                if (qemu.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                    throw ended(qemu, folder);
                }
                if (Instant.now().isAfter(limit)) {
                    throw new LabException(
                            "the lab machine did not boot in %d s: %s"
                                    .formatted(BOOT_LIMIT.toSeconds(), folder.lastWords()));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new LabException("interrupted while the lab machine was booting");
        }
    }

    private static LabException ended(Process qemu, MachineFolder folder) throws IOException {
        try {
            qemu.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return new LabException("the lab machine ended: " + folder.lastWords());
    }
}
