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
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// The stream of a migration beside a plain copy of the same memory through the same kind of TLS socket, both over this
/// host's loopback. A guest that runs nothing moves by the commands `migrate` and `migrate-receive` between two daemons
/// on fake VMs, to and fro. All of it is in one process, so both sides of both compete for the same CPUs.
///
/// Arguments, optional: MIB of memory (512), ROUNDS (7, of which the first two are not counted), CONTENT: `random`,
/// which cannot be compressed, or `text`.
public final class MigrationStream {
    private static final int MIB = 1 << 20;
    private static final int COLD_ROUNDS = 2;

    /// A page table, the kernel and the special pages are in the memory below it.
    private static final long FIRST = 64L * MIB;

    private final Path folder;
    private final long memory;
    private final String content;
    private final List<FakeDaemon> daemons = new ArrayList<>();
    private final List<Integer> ports = new ArrayList<>();
    private final TestAuthority authority;

    @Command
    private static final class Holder {
        @Mixin private TlsOptions tls = new TlsOptions();
    }

    private MigrationStream(Path folder, int mib, String content) throws Exception {
        this.folder = folder;
        this.memory = (long) mib * MIB;
        this.content = content;
        authority = new TestAuthority(folder, "authority");
        authority.sign("host", "-1H");
    }

    /// Entry point.
    public static void main(String[] args) throws Exception {
        int mib = args.length > 0 ? Integer.parseInt(args[0]) : 512;
        int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 7;
        String content = args.length > 2 ? args[2] : "random";
        Path folder = Files.createTempDirectory("migration-stream");
        new MigrationStream(folder, mib, content).run(rounds);
        System.exit(0); // the listening sides wait for ever
    }

    private void run(int rounds) throws Exception {
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
        for (int side = 0; side < 2; side++) {
            daemons.add(new FakeDaemon(folder, "host-" + side));
            ports.add(FreePort.next());
            listen(side);
        }
        int sink = sink();
        MemorySegment ram = daemons.getFirst().create(kernel, memory);
        byte[] bytes = fill(ram);
        List<Double> moves = new ArrayList<>();
        List<Double> copies = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            double copy = copy(sink, bytes);
            double move = move(round % 2);
            System.out.printf(Locale.ROOT, "copy %.3f s, migration %.3f s%n", copy, move);
            if (round >= COLD_ROUNDS) {
                copies.add(copy);
                moves.add(move);
            }
        }
        double copy = median(copies);
        double move = median(moves);
        double size = bytes.length / (double) MIB;
        System.out.printf(
                Locale.ROOT,
                "%.0f MIB of %s: copy %.0f MIB/s, migration %.0f MIB/s, ratio %.2f%n",
                size,
                content,
                size / copy,
                size / move,
                copy / move);
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

    private void listen(int side) {
        List<String> command =
                new ArrayList<>(List.of("migrate-receive", "--socket", socket(side)));
        command.addAll(List.of("--listen", "127.0.0.1:" + ports.get(side)));
        command.addAll(words());
        Thread _ =
                Thread.ofPlatform()
                        .daemon()
                        .start(() -> {
                            int _ = XenEmu.execute(command.toArray(String[]::new));
                        });
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

    private double copy(int port, byte[] bytes) throws Exception {
        try (Carrier carrier = tls().connect("127.0.0.1:" + port)) {
            long begin = System.nanoTime();
            for (int at = 0; at < bytes.length; at += MIB) {
                carrier.out().write(bytes, at, MIB);
            }
            carrier.out().flush();
            if (carrier.in().read() != 1) {
                throw new IOException("the copy did not arrive");
            }
            return (System.nanoTime() - begin) / 1e9;
        }
    }

    private double move(int from) {
        List<String> command = new ArrayList<>(List.of("migrate", "--socket", socket(from)));
        command.addAll(words());
        command.addAll(List.of("web", "127.0.0.1:" + ports.get(1 - from)));
        long begin = System.nanoTime();
        int status = XenEmu.execute(command.toArray(String[]::new));
        if (status != 0) {
            throw new IllegalStateException("migrate ended with " + status);
        }
        return (System.nanoTime() - begin) / 1e9;
    }

    private static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
