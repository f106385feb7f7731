package io.xenemu.it.program.xenstore;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Says the same to ours, to C xenstored and to oxenstored, and prints where their answers differ:
/// `integration-tests/bin/xenstore-conformance`.
public final class XenStoreConformance {
    private XenStoreConformance() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        StoreDaemon.setUpPeers();
        ConformanceRun run = runAll(Files.createTempDirectory("xenstore-"));
        run.differences()
                .forEach((name, speakers) -> {
                    System.out.println(name);
                    speakers.forEach((lines, daemons) ->
                            System.out.printf(
                                    "  %-10s %s%n",
                                    String.join("+", daemons), String.join("; ", lines)));
                });
        System.out.printf("%d cases, %d with differences%n", run.size(), run.differences().size());
    }

    /// All cases on all three.
    ///
    /// @param folder where the sockets are
    public static ConformanceRun runAll(Path folder) throws IOException, InterruptedException {
        ConformanceRun run = new ConformanceRun();
        try (StoreDaemon ours = StoreDaemon.ours(folder);
                StoreDaemon c = StoreDaemon.c(folder);
                StoreDaemon ocaml = StoreDaemon.ocaml(folder)) {
            run.run(ours.name(), ours.socket());
            run.run(c.name(), c.socket());
            run.run(ocaml.name(), ocaml.socket());
        }
        return run;
    }
}
