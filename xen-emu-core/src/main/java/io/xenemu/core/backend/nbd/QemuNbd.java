package io.xenemu.core.backend.nbd;

import com.google.common.primitives.ImmutableIntArray;
import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.host.HostProgram;
import io.xenemu.core.host.ProcessOutput;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A `qemu-nbd`, or where that is not installed a `qemu-storage-daemon`, of the service's own, for one disk: a child on
/// a Unix socket in a folder that only this user can enter. Started with the first connection, and again when it has
/// died, but not for ever. It ends with the service, however that ends ([ServerProgram]).
///
/// A `qemu-nbd` lives by its connections, a `qemu-storage-daemon` by its [Lifeline]. So another process of this service
/// takes it over by connecting to its socket, and with the lifeline, before this one ends. The folder has the id of the
/// process too. The other one does not end what it has not started: if it gives the server up, this one has it still.
public final class QemuNbd implements NbdServer {
    /// Connections at once: those of a store, one that asks for the size, and one spare.
    private static final int CLIENTS = 4;

    /// Starts within [#PERIOD], after which an image, or its QEMU, is considered broken.
    private static final int MOST_STARTS = 5;

    private static final Duration PERIOD = Duration.ofMinutes(1);

    /// From the start to the first connection: an image with a long chain is opened in this time.
    private static final Duration START = Duration.ofSeconds(20);

    /// The most files of [#descriptors].
    static final int MAX_FILES = 2;

    private static final Duration LOOK_AGAIN = Duration.ofMillis(5);

    /// For each answer of the handshake.
    private static final Duration ANSWER = Duration.ofSeconds(10);

    /// From the end of its connections to its own, if it is ending.
    private static final Duration EXIT = Duration.ofMillis(500);

    /// To end by itself, and then by each signal.
    private static final Duration END = Duration.ofSeconds(10);

    /// To end by itself if another process has started it, and may still use it.
    private static final Duration RELEASE = Duration.ofSeconds(2);

    private final ServerProgram program;
    private final DiskImage image;
    private final String name;
    private final Path folder;
    private final ArrayDeque<Long> starts = new ArrayDeque<>();
    private @Nullable ProcessHandle process;
    private @Nullable ProcessOutput output;

    /// The folder, for another process; null until that is asked for.
    private @Nullable HostFile opened;

    /// Of the process that serves, if that needs one.
    private @Nullable Lifeline lifeline;

    private boolean isAnothers;

    /// Whether another process has started the one that serves.
    private boolean isReceived;

    private final AtomicLong count = new AtomicLong();

    private QemuNbd(ServerProgram program, DiskImage image, String name, Path folder) {
        this.program = program;
        this.image = image;
        this.name = name;
        this.folder = folder;
    }

    /// A server for an image, which is not started yet.
    ///
    /// @param name for threads: `vbd-51712`, since the domain is not known yet
    /// @throws NbdException if neither program is installed, or the image or its key is not there
    public static QemuNbd of(DiskImage image, String name) throws NbdException {
        return of(image, name, HostProgram.folders());
    }

    /// @param searched folders where the programs may be, separated by colons
    static QemuNbd of(DiskImage image, String name, String searched) throws NbdException {
        ServerProgram program = ServerProgram.find(image, searched);
        image.check();
        try {
            // The JDK makes it for its user alone (mode 0700).
            return new QemuNbd(program, image, name, Files.createTempDirectory("xen-emu-nbd-"));
        } catch (IOException e) {
            throw new NbdException(
                    "no folder for the socket of %s: %s".formatted(program.name(), IoReason.of(e)));
        }
    }

    /// Takes over the server of an image that another process of this service runs.
    ///
    /// @param files of [#descriptors]; taken over, also if this fails
    /// @throws NbdException if it cannot be found
    static QemuNbd received(DiskImage image, String name, List<HostFile> files)
            throws NbdException {
        int kept = 0;
        try {
            HostFile folder = files.getFirst();
            Path path = Files.readSymbolicLink(Path.of("/proc/self/fd/" + folder.fd()));
            ServerProgram program = ServerProgram.find(image, HostProgram.folders());
            QemuNbd server = new QemuNbd(program, image, name, path);
            long id = Long.parseLong(Files.readString(server.idFile()));
            // One that has just ended is started again.
            server.process = ProcessHandle.of(id).orElse(null);
            server.count.set(1);
            server.isReceived = true;
            if (files.size() > 1) {
                server.lifeline = Lifeline.received(files.get(1));
                kept = 1;
            }
            return server;
        } catch (NbdException e) {
            throw e;
        } catch (IOException | NumberFormatException e) {
            throw new NbdException(
                    "the server of %s is not there: %s".formatted(image.source(), e.getMessage()));
        } finally {
            files.subList(0, files.size() - kept).forEach(HostFile::close);
        }
    }

    @Override
    public Optional<String> stays() {
        return Optional.empty();
    }

    @Override
    public synchronized ImmutableIntArray descriptors() {
        HostFile folderFile = opened;
        if (folderFile == null) {
            folderFile = HostFile.open(folder, Set.of());
            opened = folderFile;
        }
        return lifeline == null
                ? ImmutableIntArray.of(folderFile.fd())
                : ImmutableIntArray.of(folderFile.fd(), lifeline.fd());
    }

    @Override
    public synchronized void handedOver() {
        isAnothers = true;
    }

    @Override
    public synchronized StreamSocket connect() throws IOException {
        if (process == null) {
            start();
        }
        long end = System.nanoTime() + START.toNanos();
        while (true) {
            boolean isAlive = process != null && process.isAlive();
            try {
                return StreamSocket.connect(socket(), ANSWER);
            } catch (IOException e) {
                if (!isAlive) {
                    throw failure();
                }
                if (System.nanoTime() - end > 0) {
                    throw new NbdException(
                            "%s does not begin to serve %s within %d s"
                                    .formatted(program.name(), image.source(), START.toSeconds()));
                }
            }
            Uninterruptibles.sleepUninterruptibly(LOOK_AGAIN);
        }
    }

    private void start() throws IOException {
        long now = System.nanoTime();
        while (!starts.isEmpty() && now - starts.getFirst() > PERIOD.toNanos()) {
            starts.removeFirst();
        }
        if (starts.size() >= MOST_STARTS) {
            throw new NbdException(
                    "%s for %s ended %d times within a minute: %s"
                            .formatted(program.name(), image.source(), starts.size(), lastWords()),
                    true);
        }
        starts.addLast(now);
        long _ = count.incrementAndGet();
        Files.deleteIfExists(socket());
        cutLifeline();
        Path pipe = folder.resolve("lifeline");
        if (program.needsLifeline()) {
            lifeline = Lifeline.make(pipe);
        }
        ProcessOutput started =
                ProcessOutput.start(
                        new ProcessBuilder(program.command(image, socket(), pipe, CLIENTS))
                                .redirectInput(Path.of("/dev/null").toFile())
                                .redirectErrorStream(true),
                        name + "-qemu");
        output = started;
        process = started.process().toHandle();
        isReceived = false;
        Files.writeString(idFile(), Long.toString(started.process().pid()));
    }

    private void cutLifeline() {
        if (lifeline != null) {
            lifeline.close();
            lifeline = null;
        }
    }

    private NbdException failure() {
        String words = lastWords();
        abandon();
        return new NbdException(
                "%s cannot serve %s: %s".formatted(program.name(), image.source(), words));
    }

    private String lastWords() {
        return output == null ? "it said nothing" : output.lastLine(QemuNbd::withoutNames);
    }

    private static String withoutNames(String line) {
        return line.replaceFirst("^qemu-(nbd|storage-daemon): ", "")
                .replaceFirst("^Failed to blk_new_open 'json:.*}}': ", "")
                .replaceFirst("^--blockdev \\{.*}}: ", "");
    }

    private Path idFile() {
        return folder.resolve("pid");
    }

    private Path socket() {
        return folder.resolve("socket");
    }

    /// It listens before it opens the image, and ends if it cannot.
    @Override
    public synchronized IOException explained(IOException failure) {
        return process != null && HostProgram.hasEnded(process, EXIT) ? failure() : failure;
    }

    @Override
    public String export() {
        return "";
    }

    /// Kills the process: nothing of the connections that have ended is carried out after this.
    @Override
    public synchronized void abandon() {
        if (process != null) {
            boolean _ = process.destroyForcibly();
            // One that the kernel holds for its storage has the image locked, so that no other can
            // serve it.
            if (HostProgram.hasEnded(process, END)) {
                process = null;
            }
        }
    }

    @Override
    public long restarts() {
        return Math.max(0, count.get() - 1);
    }

    /// The process's id, for whoever watches it; empty if it does not run.
    public synchronized Optional<ProcessHandle> process() {
        return Optional.ofNullable(process).filter(ProcessHandle::isAlive);
    }

    @Override
    public synchronized void close() {
        if (opened != null) {
            opened.close();
        }
        cutLifeline();
        if (isAnothers) {
            return;
        }
        Duration limit = isReceived ? RELEASE : END;
        if (process != null && !HostProgram.hasEnded(process, limit)) {
            if (isReceived) {
                // The process that has started it goes on with it: it has not been taken over after
                // all.
                return;
            }
            HostProgram.end(process, END);
        }
        process = null;
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.deleteIfExists(file);
            }
            Files.deleteIfExists(folder);
        } catch (IOException _) {
            // A temporary folder, which is gone or stays.
        }
    }

    @Override
    public String toString() {
        return image.source().toString();
    }
}
