package io.xenemu.core.cli;

import io.xenemu.core.guest.FakeDaemon;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.kvm.testing.FreePort;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// The stream of a migration beside a plain copy of the same memory through the same kind of TLS socket, both over this
/// host's loopback. A guest that runs nothing moves by the commands `migrate` and `migrate-receive` between two daemons
/// on fake VMs, to and fro. The daemons are in this process, the commands are processes of the distribution. Both sides
/// of both compete for the same CPUs. The time of a move of an empty guest is taken off, since the copy's connection is
/// there when it begins. CPU time is that of all processes; a loaded machine takes little more of it than a quiet one.
///
/// Arguments, optional: MIB of memory (512), ROUNDS (7, of which the first two are not counted), CONTENT: `random`,
/// which cannot be compressed, or `text`; STREAMS of the migration (1).
public final class MigrationStream {
    private static final int MIB = 1 << 20;
    private static final int COLD_ROUNDS = 2;

    /// A page table, the kernel and the special pages are in the memory below it.
    private static final long FIRST = 64L * MIB;

    private final Path folder;
    private final long memory;
    private final String content;
    private final String streams;
    private static final String LAUNCHER =
            Path.of("../xen-emu-core/target/dist/bin/xen-emu")
                    .toAbsolutePath()
                    .normalize()
                    .toString();

    /// The kernel's unit of CPU time in /proc.
    private static final double TICKS = 100;

    /// The first of the two daemons between which an empty guest moves.
    private static final int EMPTY = 2;

    private final List<Process> receivers = new ArrayList<>();
    private final List<FakeDaemon> daemons = new ArrayList<>();
    private final List<Integer> ports = new ArrayList<>();
    private final TestAuthority authority;

    @Command
    private static final class Holder {
        @Mixin private TlsOptions tls = new TlsOptions();
    }

    private MigrationStream(Path folder, int mib, String content, String streams) throws Exception {
        this.folder = folder;
        this.memory = (long) mib * MIB;
        this.content = content;
        this.streams = streams;
        authority = new TestAuthority(folder, "authority");
        authority.sign("host", "-1H");
    }

    /// Entry point.
    public static void main(String[] args) throws Exception {
        int mib = args.length > 0 ? Integer.parseInt(args[0]) : 512;
        int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 7;
        String content = args.length > 2 ? args[2] : "random";
        String streams = args.length > 3 ? args[3] : "1";
        Path folder = Files.createTempDirectory("migration-stream");
        MigrationStream stream = new MigrationStream(folder, mib, content, streams);
        try {
            stream.run(rounds);
        } finally {
            stream.receivers.forEach(Process::destroy);
        }
        System.exit(0); // the listening sides wait for ever
    }

    private void run(int rounds) throws Exception {
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
        for (int side = 0; side < 4; side++) {
            daemons.add(new FakeDaemon(folder, "host-" + side));
            ports.add(FreePort.next());
            listen(side);
        }
        int sink = sink();
        MemorySegment ram = daemons.getFirst().create(kernel, memory);
        byte[] bytes = fill(ram);
        MemorySegment _ = daemons.get(EMPTY).create(kernel, memory);
        List<Cost> empty = new ArrayList<>();
        for (int round = 0; round < 2 * COLD_ROUNDS; round++) {
            empty.add(move(EMPTY + round % 2));
        }
        Cost beside = new Cost(median(empty, Cost::seconds), median(empty, Cost::cpuSeconds));
        System.out.printf(Locale.ROOT, "migration of an empty guest %s%n", beside);
        List<Cost> moves = new ArrayList<>();
        List<Cost> copies = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            Cost copy = copy(sink, bytes);
            Cost move = move(round % 2).since(beside);
            System.out.printf(Locale.ROOT, "copy %s, migration %s more%n", copy, move);
            if (round >= COLD_ROUNDS) {
                copies.add(copy);
                moves.add(move);
            }
        }
        double copy = median(copies, Cost::seconds);
        double move = median(moves, Cost::seconds);
        double copyCpu = median(copies, Cost::cpuSeconds);
        double moveCpu = median(moves, Cost::cpuSeconds);
        double size = bytes.length / (double) MIB;
        System.out.printf(
                Locale.ROOT,
                "%.0f MiB of %s: copy %.0f MiB/s, migration %.0f MiB/s, ratio %.2f; "
                        + "CPU time %.2f s and %.2f s, ratio %.2f%n",
                size,
                content,
                size / copy,
                size / move,
                copy / move,
                copyCpu,
                moveCpu,
                copyCpu / moveCpu);
    }

    /// Fills the guest's memory, and gives the same bytes.
    private byte[] fill(MemorySegment ram) {
        byte[] bytes = new byte[Math.toIntExact(memory - FIRST)];
        new Random(1).nextBytes(bytes);
        if (content.equals("text")) {
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) ('a' + (bytes[i] & 7));
            }
        }
        MemorySegment.copy(MemorySegment.ofArray(bytes), 0, ram, FIRST, bytes.length);
        return bytes;
    }

    private TlsOptions tls() {
        Holder holder = new Holder();
        new CommandLine(holder).parseArgs(words().toArray(String[]::new));
        return holder.tls;
    }

    private List<String> words() {
        return List.of(
                "--tls-cert",
                authority.certificate("host").toString(),
                "--tls-key",
                authority.key("host").toString(),
                "--tls-ca",
                authority.certificate().toString());
    }

    private String socket(int side) {
        return folder.resolve("host-" + side).toString();
    }

    private void listen(int side) throws IOException {
        receivers.add(
                command(
                        "migrate-receive",
                        side,
                        words(),
                        "--listen",
                        "127.0.0.1:" + ports.get(side)));
    }

    private Process command(String verb, int side, List<String> options, String... more)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(LAUNCHER, verb, "--socket", socket(side)));
        command.addAll(options);
        command.addAll(List.of(more));
        return new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    /// Takes all that comes, and says so by a byte.
    private int sink() throws IOException {
        int port = FreePort.next();
        Thread _ =
                Thread.ofPlatform()
                        .daemon()
                        .start(() -> {
                            try {
                                tls().listen("127.0.0.1:" + port, this::take);
                            } catch (HostException e) {
                                throw new IllegalStateException(e);
                            }
                        });
        return port;
    }

    private void take(Carrier carrier) {
        try (carrier) {
            byte[] buffer = new byte[MIB];
            long left = memory - FIRST;
            InputStream in = carrier.in();
            while (left > 0) {
                int count = in.read(buffer);
                if (count < 0) {
                    throw new IOException("the copy ends early");
                }
                left -= count;
            }
            carrier.out().write(1);
            carrier.out().flush();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private Cost copy(int port, byte[] bytes) throws Exception {
        try (Carrier carrier = tls().connect("127.0.0.1:" + port)) {
            Cost begin = now();
            for (int at = 0; at < bytes.length; at += MIB) {
                carrier.out().write(bytes, at, MIB);
            }
            carrier.out().flush();
            if (carrier.in().read() != 1) {
                throw new IOException("the copy did not arrive");
            }
            return now().since(begin);
        }
    }

    private Cost move(int from) throws Exception {
        Cost begin = now();
        Process migrate =
                command(
                        "migrate",
                        from,
                        words(),
                        "--streams",
                        streams,
                        "web",
                        "127.0.0.1:" + ports.get(from ^ 1));
        if (migrate.waitFor() != 0) {
            throw new IllegalStateException("migrate ended with " + migrate.exitValue());
        }
        return now().since(begin);
    }

    /// The time, and the CPU time of this process, its children that have ended, and the receivers.
    private Cost now() throws IOException {
        double ticks = 0;
        String[] own = stat(ProcessHandle.current());
        for (int i = 11; i < 15; i++) {
            ticks += Long.parseLong(own[i]);
        }
        for (Process receiver : receivers) {
            String[] its = stat(receiver.toHandle());
            ticks += Long.parseLong(its[11]) + Long.parseLong(its[12]);
        }
        return new Cost(System.nanoTime() / 1e9, ticks / TICKS);
    }

    /// The fields of proc(5)'s `stat` behind the command's name: utime, stime, cutime and cstime are 11 to 14.
    private static String[] stat(ProcessHandle process) throws IOException {
        String line = Files.readString(Path.of("/proc", Long.toString(process.pid()), "stat"));
        return line.substring(line.lastIndexOf(')') + 2).split(" ");
    }

    /// Time that has passed, and CPU time of this process.
    private record Cost(double seconds, double cpuSeconds) {
        Cost since(Cost begin) {
            return new Cost(seconds - begin.seconds, cpuSeconds - begin.cpuSeconds);
        }

        @Override
        public String toString() {
            return "%.3f s (CPU %.2f s)".formatted(seconds, cpuSeconds);
        }
    }

    private static double median(List<Cost> costs, ToDoubleFunction<Cost> part) {
        double[] sorted = costs.stream().mapToDouble(part).toArray();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
