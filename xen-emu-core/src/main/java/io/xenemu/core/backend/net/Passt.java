package io.xenemu.core.backend.net;

import com.google.common.primitives.ImmutableIntArray;
import com.google.common.util.concurrent.Uninterruptibles;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.host.HostProgram;
import io.xenemu.core.host.ProcessOutput;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PasstSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A passt(1) of the service's own, for one interface: a child that gives the guest the host's network without any
/// right, on a Unix socket in a folder that only its user can enter.
///
/// It serves one connection and ends with it (`--one-off`). So it ends with the service too, however that ends.
final class Passt implements StreamPeer {
    private static final String PROGRAM = "passt";

    /// From the start to the connection: it reads the host's addresses and routes meanwhile.
    private static final Duration START = Duration.ofSeconds(10);

    private static final Duration LOOK_AGAIN = Duration.ofMillis(5);

    /// To end by itself, and then by each signal.
    private static final Duration END = Duration.ofSeconds(2);

    /// The user that passt becomes when root starts it.
    private static final String NOBODY = "nobody";

    private final List<String> command;
    private final String name;
    private final Path folder;
    private volatile boolean closing;

    @GuardedBy("this")
    private @Nullable ProcessHandle process;

    /// The folder, for another process; null until that is asked for.
    @GuardedBy("this")
    private @Nullable HostFile opened;

    @GuardedBy("this")
    private boolean isAnothers;

    @GuardedBy("this")
    private @Nullable ProcessOutput output;

    private Passt(List<String> command, String name, Path folder) {
        this.command = command;
        this.name = name;
        this.folder = folder;
    }

    /// A passt that is not started yet.
    ///
    /// @param mtu of the interface, which passt tells the guest; the usual one is left to passt
    /// @param name for threads: `dom3-vif-0`
    /// @param folders where `passt` may be, separated by colons
    /// @throws Refused if it is not installed
    static Passt of(PasstSpec spec, int mtu, String name, String folders) throws Refused {
        Path program =
                HostProgram.find(PROGRAM, folders)
                        .orElseThrow(() ->
                                new Refused(
                                        "backendtype=passt needs passt, which is not installed"
                                                + " (Debian's package passt)"));
        try {
            // The JDK makes it for its user alone (mode 0700).
            Path folder = Files.createTempDirectory("xen-emu-passt-");
            giveToNobody(folder);
            return new Passt(command(program, spec, mtu, folder.resolve("socket")), name, folder);
        } catch (IOException e) {
            throw new Refused("no folder for passt's socket: " + IoReason.of(e));
        }
    }

    /// Takes over a passt that another process of this service has started.
    ///
    /// @param folder its own
    /// @throws Refused if it cannot be found
    static Passt received(PasstSpec spec, int mtu, String name, String folders, HostFile folder)
            throws Refused {
        Path program =
                HostProgram.find(PROGRAM, folders)
                        .orElseThrow(() -> new Refused("passt is not installed any more"));
        try {
            Path path = Files.readSymbolicLink(Path.of("/proc/self/fd/" + folder.fd()));
            Passt passt =
                    new Passt(command(program, spec, mtu, path.resolve("socket")), name, path);
            long id = Long.parseLong(Files.readString(passt.idFile()));
            synchronized (passt) {
                // One that has just ended is started again.
                passt.process = ProcessHandle.of(id).orElse(null);
            }
            return passt;
        } catch (IOException | NumberFormatException e) {
            throw new Refused("its passt is not there: " + e.getMessage());
        }
    }

    private Path idFile() {
        return folder.resolve("pid");
    }

    /// Started by root, passt becomes nobody before it makes its socket, or after, by its version.
    private static void giveToNobody(Path folder) throws IOException {
        if (Files.getAttribute(folder, "unix:uid").equals(0)) {
            Files.setOwner(
                    folder,
                    folder.getFileSystem()
                            .getUserPrincipalLookupService()
                            .lookupPrincipalByName(NOBODY));
        }
    }

    private static List<String> command(Path program, PasstSpec spec, int mtu, Path socket) {
        List<String> words =
                new ArrayList<>(
                        List.of(
                                program.toString(),
                                "--foreground",
                                "--quiet",
                                "--one-off",
                                "--socket",
                                socket.toString()));
        if (!spec.mapsGateway()) {
            words.add("--no-map-gw");
        }
        if (mtu != NicSpec.DEFAULT_MTU) {
            words.addAll(List.of("--mtu", Integer.toString(mtu)));
        }
        words.addAll(List.of("--tcp-ports", orNone(spec.tcpPorts())));
        words.addAll(List.of("--udp-ports", orNone(spec.udpPorts())));
        return words;
    }

    private static String orNone(String ports) {
        return ports.isEmpty() ? "none" : ports;
    }

    /// It reads the segments' payload, and splits nothing.
    @Override
    public boolean takesSegments() {
        return true;
    }

    @Override
    public synchronized StreamSocket connect() throws IOException {
        stop(Duration.ZERO);
        if (closing) {
            throw new IOException("passt is not needed any more");
        }
        ProcessHandle started = start();
        long end = System.nanoTime() + START.toNanos();
        while (true) {
            boolean isAlive = started.isAlive();
            try {
                return StreamSocket.connect(socket(), LIMIT);
            } catch (IOException e) {
                if (!isAlive) {
                    throw new IOException("passt cannot start: " + lastWords(), e);
                }
                if (closing || System.nanoTime() - end > 0) {
                    throw new IOException(
                            "passt does not listen within %d s".formatted(START.toSeconds()), e);
                }
            }
            Uninterruptibles.sleepUninterruptibly(LOOK_AGAIN);
        }
    }

    @GuardedBy("this")
    private ProcessHandle start() throws IOException {
        Files.deleteIfExists(socket());
        ProcessOutput started =
                ProcessOutput.start(
                        new ProcessBuilder(command)
                                .redirectInput(Path.of("/dev/null").toFile())
                                .redirectErrorStream(true),
                        name + "-passt-log");
        output = started;
        ProcessHandle handle = started.process().toHandle();
        process = handle;
        Files.writeString(idFile(), Long.toString(handle.pid()));
        return handle;
    }

    @GuardedBy("this")
    private String lastWords() {
        return output == null ? "it said nothing" : output.lastLine(Passt::withoutNoise);
    }

    /// Without a system log, old versions tell of each line that it is not there.
    private static String withoutNoise(String line) {
        boolean isNoise =
                (line.startsWith("Failed to send ") && line.endsWith(" to syslog"))
                        || line.startsWith("Don't run as root.");
        return isNoise ? "" : line;
    }

    private Path socket() {
        return folder.resolve("socket");
    }

    @Override
    public synchronized void atEnd(Runnable action) {
        if (process != null) {
            var _ = process.onExit().thenRun(action);
        }
    }

    /// @param patience for the process to end by itself
    @GuardedBy("this")
    private void stop(Duration patience) {
        ProcessHandle ending = process;
        process = null;
        if (ending != null && !HostProgram.hasEnded(ending, patience)) {
            HostProgram.end(ending, END);
        }
    }

    @Override
    public synchronized ImmutableIntArray descriptors() {
        HostFile file = opened;
        if (file == null) {
            file = HostFile.open(folder, Set.of());
            opened = file;
        }
        return ImmutableIntArray.of(file.fd());
    }

    @Override
    public synchronized void handedOver() {
        isAnothers = true;
    }

    @Override
    public void close() {
        closing = true;
        synchronized (this) {
            if (opened != null) {
                opened.close();
                opened = null;
            }
            if (isAnothers) {
                return;
            }
            stop(END);
            try {
                Files.deleteIfExists(socket());
                Files.deleteIfExists(idFile());
                Files.deleteIfExists(folder);
            } catch (IOException _) {
                // A temporary folder, which is gone or stays.
            }
        }
    }

    @Override
    public String toString() {
        return PROGRAM;
    }
}
