package io.xenemu.it.program.xenstore;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The XenStore daemon beside Xen's own two, under the same load of the same client (`src/peers/xsload.c`) in turn:
/// `integration-tests/bin/xenstore-benchmark [SECONDS [NODES...]]`, 2 seconds and 100 and 100,000 nodes if not told.
/// Every daemon is warmed up for as long as it is measured, and a cell is measured on all three before the next begins.
/// Start-up and memory come first ([DaemonCosts]); `xenstore-benchmark costs [NODES]` prints only these.
///
/// | column | |
/// |---|---|
/// | k/s | thousand units of work in a second |
/// | us | CPU time of the daemon for one, in microseconds |
/// | ours/c | of both; the targets are at least 1.00 and at most 0.70 |
public final class XenStoreBenchmark {
    private static final double DEFAULT_SECONDS = 2;
    private static final List<Integer> DEFAULT_NODES = List.of(100, 100_000);
    private static final String COSTS = "costs";
    private static final int COSTS_NODES = 100_000;
    private static final List<String> WORKS =
            List.of("read", "write", "directory", "watch", "transaction");
    private static final List<Integer> CONNECTIONS = List.of(1, 8, 64);
    private static final List<Integer> IN_FLIGHT = List.of(1, 32);
    private static final Path CLIENT_SOURCE = Path.of("src/peers/xsload.c");
    private static final Path CLIENT = Path.of("target/xsload").toAbsolutePath();
    private static final Pattern RESULT =
            Pattern.compile("done (\\d+) errors (\\d+) conflicts (\\d+) seconds ([\\d.]+)");

    /// The measurement of one cell.
    ///
    /// @param rate units of work in a second
    /// @param cpuMicros of the daemon for one
    private record Result(double rate, double cpuMicros) {}

    private final double seconds;

    private XenStoreBenchmark(double seconds) {
        this.seconds = seconds;
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        StoreDaemon.setUpPeers();
        execute("gcc", "-O2", "-o", CLIENT.toString(), CLIENT_SOURCE.toString());
        if (arguments.length > 0 && arguments[0].equals(COSTS)) {
            DaemonCosts.print(arguments.length > 1 ? Integer.parseInt(arguments[1]) : COSTS_NODES);
            return;
        }
        double seconds = arguments.length > 0 ? Double.parseDouble(arguments[0]) : DEFAULT_SECONDS;
        List<Integer> sizes = new ArrayList<>(DEFAULT_NODES);
        if (arguments.length > 1) {
            sizes.clear();
            for (int i = 1; i < arguments.length; i++) {
                sizes.add(Integer.valueOf(arguments[i]));
            }
        }
        DaemonCosts.print(COSTS_NODES);
        for (int nodes : sizes) {
            new XenStoreBenchmark(seconds).run(nodes);
        }
    }

    private void run(int nodes) throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("xenstore-");
        try (StoreDaemon ours = StoreDaemon.ours(folder);
                StoreDaemon c = StoreDaemon.c(folder);
                StoreDaemon ocaml = StoreDaemon.ocaml(folder)) {
            List<StoreDaemon> daemons = List.of(ours, c, ocaml);
            System.out.printf(Locale.ROOT, "%n%d nodes%n", nodes);
            for (StoreDaemon daemon : daemons) {
                long start = System.nanoTime();
                fill(daemon, nodes);
                System.out.printf(
                        Locale.ROOT,
                        "%-6s filled in %.1f s%n",
                        daemon.name(),
                        (System.nanoTime() - start) / 1e9);
            }
            warmUp(daemons, nodes);
            System.out.println(
                    "work        conn flight    ours k/s     us     c k/s     us ocaml k/s     us"
                            + "   ours/c k/s     us");
            for (String work : WORKS) {
                for (int connections : CONNECTIONS) {
                    for (int inFlight : IN_FLIGHT) {
                        cell(daemons, work, connections, inFlight, nodes);
                    }
                }
            }
            for (StoreDaemon daemon : daemons) {
                System.out.printf(
                        Locale.ROOT,
                        "%-6s %.0f MiB resident after all that%n",
                        daemon.name(),
                        daemon.memory().residentMib());
            }
        }
    }

    /// Makes what the client's work needs.
    static void fill(StoreDaemon daemon, int nodes) throws IOException, InterruptedException {
        execute(CLIENT.toString(), daemon.socket().toString(), "fill", "" + nodes);
    }

    /// Every kind of work, pipelined and one at a time: a JVM compiles what it runs often.
    private void warmUp(List<StoreDaemon> daemons, int nodes)
            throws IOException, InterruptedException {
        for (StoreDaemon daemon : daemons) {
            for (String work : WORKS) {
                load(daemon, work, CONNECTIONS.getLast(), IN_FLIGHT.getLast(), nodes);
                load(daemon, work, CONNECTIONS.getFirst(), IN_FLIGHT.getFirst(), nodes);
            }
        }
    }

    private void cell(
            List<StoreDaemon> daemons, String work, int connections, int inFlight, int nodes)
            throws IOException, InterruptedException {
        List<Result> results = new ArrayList<>();
        for (StoreDaemon daemon : daemons) {
            load(daemon, work, connections, inFlight, nodes);
            results.add(load(daemon, work, connections, inFlight, nodes));
        }
        System.out.printf(Locale.ROOT, "%-11s %4d %6d ", work, connections, inFlight);
        for (Result result : results) {
            System.out.printf(
                    Locale.ROOT, " %9.1f %6.2f", result.rate() / 1000, result.cpuMicros());
        }
        Result ours = results.get(0);
        Result c = results.get(1);
        System.out.printf(
                Locale.ROOT,
                "   %10.2f %6.2f%n",
                ours.rate() / c.rate(),
                ours.cpuMicros() / c.cpuMicros());
    }

    private Result load(StoreDaemon daemon, String work, int connections, int inFlight, int nodes)
            throws IOException, InterruptedException {
        double before = daemon.cpuSeconds();
        String output =
                execute(
                        CLIENT.toString(),
                        daemon.socket().toString(),
                        work,
                        Integer.toString(connections),
                        Integer.toString(inFlight),
                        Integer.toString(nodes),
                        Double.toString(seconds));
        double cpu = daemon.cpuSeconds() - before;
        Matcher result = RESULT.matcher(output);
        if (!result.find() || !result.group(2).equals("0")) {
            throw new IOException(daemon.name() + ": " + output);
        }
        double done = Double.parseDouble(result.group(1));
        return new Result(done / Double.parseDouble(result.group(4)), cpu * 1e6 / done);
    }

    private static String execute(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + ": " + output);
        }
        return output;
    }
}
