package io.xenemu.it.program.xenstore;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// A XenStore daemon that serves a socket of its own: ours, or one of Xen's two. Debian's packages give those two, and
/// a preloaded library lets them run without a hypervisor (`src/peers/peers`).
///
/// @param name `ours`, `c` or `ocaml`
public record StoreDaemon(String name, Path socket, long pid) implements AutoCloseable {
    private static final Path PEERS = Path.of("src/peers/peers").toAbsolutePath();
    private static final Path LAUNCHER =
            Path.of("../xen-emu-core/bin/xen-emu").toAbsolutePath().normalize();
    private static final long START_SECONDS = 60;
    private static final long POLL_MILLIS = 2;

    /// Fetches the peers' packages into `target`, if that has not been done.
    ///
    /// @throws IOException if they are not to be had
    public static void setUpPeers() throws IOException, InterruptedException {
        run(List.of(PEERS.toString(), "setup"));
    }

    static StoreDaemon c(Path folder) throws IOException, InterruptedException {
        return peer("c", folder);
    }

    static StoreDaemon ocaml(Path folder) throws IOException, InterruptedException {
        return peer("ocaml", folder);
    }

    private static StoreDaemon peer(String kind, Path folder)
            throws IOException, InterruptedException {
        Path socket = folder.resolve(kind + ".socket");
        String pid = run(List.of(PEERS.toString(), "start", kind, socket.toString()));
        return new StoreDaemon(kind, socket, Long.parseLong(pid.strip()));
    }

    /// @param options further ones of `xen-emu xenstored`
    static StoreDaemon ours(Path folder, String... options)
            throws IOException, InterruptedException {
        Path socket = folder.resolve("ours.socket");
        Files.deleteIfExists(socket); // one that was killed has left it
        ArrayList<String> command =
                new ArrayList<>(
                        List.of(
                                // As the peers are: the scheduler shares processors among sessions.
                                "setsid",
                                LAUNCHER.toString(),
                                "xenstored",
                                "--socket",
                                socket.toString()));
        command.addAll(List.of(options));
        Process process =
                new ProcessBuilder(command)
                        .redirectOutput(folder.resolve("ours.log").toFile())
                        .redirectErrorStream(true)
                        .start();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (!Files.exists(socket)) {
            if (!process.isAlive() || System.nanoTime() > deadline) {
                process.destroyForcibly();
                throw new IOException(
                        "xen-emu xenstored: " + Files.readString(folder.resolve("ours.log")));
            }
            Thread.sleep(POLL_MILLIS);
        }
        return new StoreDaemon("ours", socket, process.pid());
    }

    private static String run(List<String> command) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment()
                .putAll(
                        Map.of(
                                "XS_PEERS",
                                Path.of("target/xenstore-peers").toAbsolutePath().toString()));
        Process process = builder.redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + ": " + output);
        }
        return output;
    }

    /// CPU time that the daemon has used, in seconds.
    double cpuSeconds() throws IOException {
        return ProcessHandle.of(pid)
                .flatMap(handle -> handle.info().totalCpuDuration())
                .map(duration -> duration.toNanos() / 1e9)
                .orElseThrow(() -> new IOException(name + " is gone"));
    }

    /// Memory that a process takes.
    ///
    /// @param residentMib all that is present
    /// @param proportionalMib all that is present, with only its share of memory that other processes have too
    record Memory(double residentMib, double proportionalMib) {}

    /// Its memory now.
    Memory memory() throws IOException {
        List<String> lines = Files.readAllLines(Path.of("/proc/" + pid + "/smaps_rollup"));
        return new Memory(mib(lines, "Rss:"), mib(lines, "Pss:"));
    }

    private double mib(List<String> lines, String field) throws IOException {
        for (String line : lines) {
            if (line.startsWith(field)) {
                return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
            }
        }
        throw new IOException(name + ": no " + field);
    }

    @Override
    public void close() {
        ProcessHandle.of(pid)
                .ifPresent(handle -> {
                    handle.destroyForcibly();
                    handle.onExit().join(); // its socket may be taken by another then
                });
    }
}
