package io.xenemu.it.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.startup.TrainingKernel;
import java.io.IOException;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/// The cost of starts here and in another checkout, which has been built. Each command runs in turn with both,
/// natively. The service that `list` asks answers at once; `run` gets as far as a KVM without Xen lets it, or without
/// KVM, and its time is that to its message.
final class StartsCompared {
    private static final String ASKED = "/start";
    private static final long POLL_MILLIS = 1;

    /// After this a service has given back what starting took: malloc's memory after 5 s.
    private static final long IDLE_MILLIS = 8000;

    private static final String OUTPUT = "output";

    /// A service of some version, which answers each `list` at once.
    ///
    /// @param socket its name
    private record Service(String socket, String greeting, String answer) {}

    private static final String TEXT_ANSWER = "|Name\nok\n";

    /// The newest first.
    private static final List<Service> SERVICES =
            List.of(
                    new Service(
                            "json",
                            "{\"xen-emu\": {\"protocol\": 2, \"version\": \"0.1\"}}\n",
                            "{\"id\": 1, \"result\": {\"text\": [\"Name\"]}}\n"),
                    new Service("text", "xen-emu control protocol 1\n", TEXT_ANSWER),
                    new Service("silent", "", TEXT_ANSWER));

    /// Bytes of a request for `list`, at most.
    private static final int REQUEST = 100;

    /// Kernel clock ticks of /proc/self/stat in a second (USER_HZ).
    private static final double TICKS = 100;

    /// Where /proc/self/stat has `cutime`, counted after the name, and `cstime` next to it.
    private static final int CHILDREN = 13;

    private final Path folder;
    private final List<Path> launchers;
    private final int rounds;

    /// One run.
    ///
    /// @param cpu of the command and the processes that it has started, in seconds, to 10 ms
    /// @param mib resident when idle, or 0
    private record Sample(double seconds, double cpu, double mib) {}

    private StartsCompared(Path folder, List<Path> launchers, int rounds) {
        this.folder = folder;
        this.launchers = launchers;
        this.rounds = rounds;
    }

    /// Measures and prints, in a folder of its own.
    ///
    /// @param against the other checkout
    static void run(Path against, int rounds) throws IOException, InterruptedException {
        Path here = Path.of("../xen-emu-core/target/dist/bin/xen-emu").toRealPath();
        Path folder = Files.createTempDirectory("xen-emu-start-");
        StartsCompared compared =
                new StartsCompared(
                        folder,
                        List.of(against.resolve("xen-emu-core/bin/xen-emu").toRealPath(), here),
                        rounds);
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
        Process store = compared.xenstored(here, folder.resolve("store"));
        List<ServerSocketChannel> services = new ArrayList<>();
        try {
            for (Service service : SERVICES) {
                services.add(open(folder, service));
            }
            compared.command(here, 0, "xenstore", "write", ASKED, "value");
            compared.commands(0, "--version");
            compared.commands(0, "--help");
            compared.list();
            compared.commands(0, "xenstore", "read", ASKED);
            compared.commands(1, "run", "--lab", "never", "--kernel", kernel.toString());
            compared.services();
        } finally {
            store.destroy();
            store.waitFor();
            for (ServerSocketChannel service : services) {
                service.close();
            }
            for (Service service : SERVICES) {
                Files.deleteIfExists(folder.resolve(service.socket()));
            }
            for (String name : List.of("kernel", "store", OUTPUT)) {
                Files.deleteIfExists(folder.resolve(name));
            }
            Files.delete(folder);
        }
    }

    private static ServerSocketChannel open(Path folder, Service service) throws IOException {
        ServerSocketChannel socket = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        socket.bind(UnixDomainSocketAddress.of(folder.resolve(service.socket())));
        Thread.ofPlatform().daemon().start(() -> answer(socket, service));
        return socket;
    }

    private static void answer(ServerSocketChannel socket, Service service) {
        while (true) {
            try (SocketChannel client = socket.accept()) {
                client.write(UTF_8.encode(service.greeting()));
                client.read(ByteBuffer.allocate(REQUEST));
                client.write(UTF_8.encode(service.answer()));
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private void list() throws IOException, InterruptedException {
        List<String> sockets = new ArrayList<>();
        for (Path launcher : launchers) {
            sockets.add(socket(launcher));
        }
        List<List<Sample>> samples = List.of(new ArrayList<>(), new ArrayList<>());
        for (int round = 0; round < rounds; round++) {
            for (int side = 0; side < 2; side++) {
                samples.get(side)
                        .add(command(launchers.get(side), 0, "list", "-s", sockets.get(side)));
            }
        }
        print("list", "s", samples, Sample::seconds);
        print("list, CPU", "s", samples, Sample::cpu);
    }

    /// The socket whose service a launcher's commands understand.
    private String socket(Path launcher) throws IOException, InterruptedException {
        for (Service service : SERVICES) {
            String socket = folder.resolve(service.socket()).toString();
            if (start(launcher, List.of("list", "-s", socket)).waitFor() == 0) {
                return socket;
            }
        }
        throw new IOException(launcher + " speaks no known control protocol");
    }

    private void commands(int code, String... command) throws IOException, InterruptedException {
        List<List<Sample>> samples = List.of(new ArrayList<>(), new ArrayList<>());
        for (int round = 0; round < rounds; round++) {
            for (int side = 0; side < 2; side++) {
                samples.get(side).add(command(launchers.get(side), code, command));
            }
        }
        String name = command[0].equals("xenstore") ? "xenstore read" : command[0];
        print(name, "s", samples, Sample::seconds);
        print(name + ", CPU", "s", samples, Sample::cpu);
    }

    private Process start(Path launcher, List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(launcher.toString()));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().putAll(Map.of("XENSTORED_PATH", folder.resolve("store").toString()));
        return builder.redirectErrorStream(true)
                .redirectOutput(folder.resolve(OUTPUT).toFile())
                .start();
    }

    /// Runs a command to its end.
    ///
    /// @param code that it ends with. The time of one that fails is that to its message, for its end takes longer.
    private Sample command(Path launcher, int code, String... command)
            throws IOException, InterruptedException {
        double cpu = childrenCpu();
        long begin = System.nanoTime();
        Process process = start(launcher, List.of(command));
        while (code != 0 && process.isAlive() && Files.size(folder.resolve(OUTPUT)) == 0) {
            Thread.sleep(POLL_MILLIS);
        }
        if (code == 0) {
            process.waitFor();
        }
        double seconds = (System.nanoTime() - begin) / 1e9;
        int ended = process.waitFor();
        if (ended != code) {
            throw new IOException(
                    launcher
                            + ": exit code "
                            + ended
                            + ": "
                            + Files.readString(folder.resolve(OUTPUT)));
        }
        return new Sample(seconds, childrenCpu() - cpu, 0);
    }

    /// From the command to an accepted connection, and the memory of the service when nobody has asked it for a while.
    private void services() throws IOException, InterruptedException {
        Path socket = folder.resolve("measured");
        List<List<Sample>> samples = List.of(new ArrayList<>(), new ArrayList<>());
        for (int round = 0; round < rounds; round++) {
            for (int side = 0; side < 2; side++) {
                double cpu = childrenCpu();
                long begin = System.nanoTime();
                Process service = xenstored(launchers.get(side), socket);
                double seconds = (System.nanoTime() - begin) / 1e9;
                Thread.sleep(IDLE_MILLIS);
                double mib = residentMib(service.pid());
                service.destroy();
                service.waitFor();
                samples.get(side).add(new Sample(seconds, childrenCpu() - cpu, mib));
            }
        }
        print("xenstored until it answers", "s", samples, Sample::seconds);
        print("xenstored idle for 8 s, CPU", "s", samples, Sample::cpu);
        print("xenstored idle for 8 s, RSS", "MiB", samples, Sample::mib);
    }

    private Process xenstored(Path launcher, Path socket) throws IOException, InterruptedException {
        Process service = start(launcher, List.of("xenstored", "--socket", socket.toString()));
        while (!answers(socket)) {
            if (!service.isAlive()) {
                throw new IOException(launcher + ": " + Files.readString(folder.resolve(OUTPUT)));
            }
            Thread.sleep(POLL_MILLIS);
        }
        return service;
    }

    private static boolean answers(Path socket) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            return false; // not yet
        }
    }

    private static double residentMib(long pid) throws IOException {
        return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToDouble(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024.0)
                .findFirst()
                .orElseThrow(() -> new IOException("process " + pid + " is gone"));
    }

    private static double childrenCpu() throws IOException {
        try (InputStream file = Files.newInputStream(Path.of("/proc/self/stat"))) {
            String stat = new String(file.readAllBytes(), UTF_8);
            List<String> fields = List.of(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1));
            return (Long.parseLong(fields.get(CHILDREN)) + Long.parseLong(fields.get(CHILDREN + 1)))
                    / TICKS;
        }
    }

    private static void print(
            String what, String unit, List<List<Sample>> samples, ToDoubleFunction<Sample> value) {
        double theirs = Samples.median(samples.getFirst().stream().mapToDouble(value));
        double ours = Samples.median(samples.getLast().stream().mapToDouble(value));
        System.out.printf(
                Locale.ROOT,
                "%-30s there %8.3f %-3s  here %8.3f %-3s  ratio %.2f  (%d rounds)%n",
                what,
                theirs,
                unit,
                ours,
                unit,
                ours / theirs,
                samples.getFirst().size());
    }
}
