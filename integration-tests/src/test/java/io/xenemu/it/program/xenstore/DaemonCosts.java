package io.xenemu.it.program.xenstore;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// The cost of each of the three daemons before it does any work: time until it answers on its socket, and memory,
/// empty and with nodes. The nodes come through the socket, as those of a client would.
final class DaemonCosts {
    private static final int STARTS = 5;

    /// Until a daemon that has just answered has done what it does at the start, or after the last request.
    private static final long SETTLE_MILLIS = 2_000;

    /// Makes one of the daemons.
    private interface Start {
        StoreDaemon in(Path folder) throws IOException, InterruptedException;
    }

    private DaemonCosts() {}

    /// Measures all three, and prints one line for each.
    static void print(int nodes) throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("xenstore-");
        StoreDaemon.ours(folder)
                .close(); // builds what is to be built, and makes the start-up cache
        System.out.printf(
                Locale.ROOT,
                "%nstart-up: median of %d, from the command to the first answer; memory: resident, and in brackets without what"
                        + " is shared (PSS), MiB%n%-6s %9s %13s %21s %9s%n",
                STARTS,
                "daemon",
                "start ms",
                "empty",
                nodes + " nodes",
                "more");
        print("ours", StoreDaemon::ours, folder, nodes);
        print("c", StoreDaemon::c, folder, nodes);
        print("ocaml", StoreDaemon::ocaml, folder, nodes);
    }

    private static void print(String name, Start start, Path folder, int nodes)
            throws IOException, InterruptedException {
        List<Double> millis = new ArrayList<>();
        for (int i = 1; i < STARTS; i++) {
            Started started = timed(start, folder);
            started.daemon.close();
            millis.add(started.millis);
        }
        Started last = timed(start, folder);
        millis.add(last.millis);
        millis.sort(null);
        try (StoreDaemon daemon = last.daemon) {
            Thread.sleep(SETTLE_MILLIS);
            StoreDaemon.Memory empty = daemon.memory();
            XenStoreBenchmark.fill(daemon, nodes);
            Thread.sleep(SETTLE_MILLIS);
            StoreDaemon.Memory filled = daemon.memory();
            System.out.printf(
                    Locale.ROOT,
                    "%-6s %9.0f %6.0f (%4.0f) %14.0f (%4.0f) %9.0f%n",
                    name,
                    millis.get(STARTS / 2),
                    empty.residentMib(),
                    empty.proportionalMib(),
                    filled.residentMib(),
                    filled.proportionalMib(),
                    filled.residentMib() - empty.residentMib());
        }
    }

    /// A daemon that has answered; all but the last are to be closed again.
    private record Started(StoreDaemon daemon, double millis) {}

    private static Started timed(Start start, Path folder)
            throws IOException, InterruptedException {
        long before = System.nanoTime();
        StoreDaemon daemon = start.in(folder);
        try (WireClient client = new WireClient(daemon.socket())) {
            client.send(new WireMessage(WireMessage.DIRECTORY, 1, 0, "/\0"));
            client.receive();
        } catch (IOException e) {
            daemon.close();
            throw e;
        }
        return new Started(daemon, (System.nanoTime() - before) / 1e6);
    }
}
