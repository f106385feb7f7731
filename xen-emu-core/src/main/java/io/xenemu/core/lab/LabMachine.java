package io.xenemu.core.lab;

import com.google.common.base.Splitter;
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
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A running lab machine (L1): an emulated AMD machine whose /dev/kvm has every Xen capability. Its commands see the
/// host's files read-only under their own paths. The machine has its own /tmp and /run, but files in the host's /tmp
/// are visible too. [#share] is written through to the host. One machine serves any number of commands at once. It ends
/// with this process, however this process ends.
public final class LabMachine implements AutoCloseable {
    /// The environment variable with the path of [#share], for commands in the machine.
    public static final String SHARE_VARIABLE = "XEN_EMU_LAB_SHARE";

    /// Emulation on a loaded machine is slow; a machine that boots needs 5 s on an idle one.
    private static final Duration BOOT_LIMIT = Duration.ofMinutes(4);

    private static final long POLL_MILLIS = 50;
    private static final int TOKEN_BYTES = 16;
    private static final Pattern FORWARDED =
            Pattern.compile("HOST_FORWARD]\\s+\\d+\\s+127\\.0\\.0\\.1\\s+(\\d+)");

    private final Process qemu;
    private final MachineWatch watch;
    private final MachineFolder folder;
    private final LabChannel channel;
    private final Path executable;
    private final AtomicLong nextCommand = new AtomicLong(1);
    private boolean closed;

    private LabMachine(
            Process qemu,
            MachineWatch watch,
            MachineFolder folder,
            LabChannel channel,
            Path executable) {
        this.qemu = qemu;
        this.watch = watch;
        this.executable = executable;
        this.folder = folder;
        this.channel = channel;
    }

    /// Fetches what is missing and boots a machine with [LabCpus#ONE].
    ///
    /// @throws LabException with one clear line when this host cannot have a lab
    public static LabMachine boot(LabImages images) throws IOException {
        return boot(images, LabCpus.ONE);
    }

    /// Fetches what is missing and boots a machine.
    ///
    /// @throws LabException with one clear line when this host cannot have a lab
    /// @throws LabHangException when the machine hangs
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
                QemuMonitor monitor = new QemuMonitor(qemu);
                MachineWatch watch = new MachineWatch(qemu, monitor, folder, images.progress());
                watch.start();
                int port = forwardedPort(qemu, monitor, watch, folder);
                LabChannel channel = new LabChannel(port, token);
                watch.nudgedBy(channel::nudge);
                awaitReady(qemu, watch, folder);
                return new LabMachine(qemu, watch, folder, channel, executable);
            } catch (InterruptedException e) {
                qemu.destroyForcibly();
                Thread.currentThread().interrupt();
                throw new LabException("interrupted while the lab machine was booting");
            } catch (IOException | RuntimeException e) {
                qemu.destroyForcibly();
                throw e;
            }
        } catch (IOException | RuntimeException e) {
            folder.delete();
            throw e;
        }
    }

    /// A folder that commands in the machine and on the host can write, at the same path.
    public Path share() {
        return folder.share();
    }

    /// Starts a command.
    ///
    /// @param folder its working folder, which exists on the host
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
                    : ended(qemu, watch, this.folder);
        }
    }

    /// The search path with the same QEMU, which is the peer inside, under its usual name.
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

    /// The last lines of the machine's kernel, which tells of a lack of memory there.
    public String lastWords() throws IOException {
        return folder.lastWords();
    }

    /// Whether the machine runs.
    public boolean isAlive() {
        return qemu.isAlive();
    }

    /// The observations of a machine that hung and was ended; else null.
    public Optional<LabHangException> hang() {
        return watch.hang();
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

    /// Asks QEMU for the port that it chose.
    private static int forwardedPort(
            Process qemu, QemuMonitor monitor, MachineWatch watch, MachineFolder folder)
            throws IOException, InterruptedException {
        String ports =
                monitor.ask("info usernet", BOOT_LIMIT)
                        .orElseThrow(() -> ended(qemu, watch, folder));
        Matcher matcher = FORWARDED.matcher(ports);
        if (!matcher.find()) {
            throw new LabException("QEMU forwards no port: " + ports);
        }
        return Integer.parseInt(matcher.group(1));
    }

    private static void awaitReady(Process qemu, MachineWatch watch, MachineFolder folder)
            throws IOException, InterruptedException {
        Instant limit = Instant.now().plus(BOOT_LIMIT);
        while (!Files.exists(folder.ready())) {
            if (qemu.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                throw ended(qemu, watch, folder);
            }
            if (Instant.now().isAfter(limit)) {
                throw watch.end("it did not boot in %d s".formatted(BOOT_LIMIT.toSeconds()));
            }
        }
    }

    private static LabException ended(Process qemu, MachineWatch watch, MachineFolder folder) {
        try {
            qemu.destroyForcibly().waitFor();
            return watch.hang().isPresent()
                    ? watch.hang().get()
                    : new LabException("the lab machine ended: " + folder.lastWords());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new LabException("the lab machine ended");
        } catch (IOException e) {
            return new LabException("the lab machine ended", e);
        }
    }
}
