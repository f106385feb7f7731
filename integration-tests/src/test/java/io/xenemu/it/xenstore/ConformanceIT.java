package io.xenemu.it.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import io.xenemu.it.program.xenstore.ConformanceRun;
import io.xenemu.it.program.xenstore.StoreDaemon;
import io.xenemu.it.program.xenstore.XenStoreConformance;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Ours answers as Xen's own daemons do, but for what `differences.txt` explains. Needs Debian's xen-utils-4.17.
class ConformanceIT {

    @Test
    void differencesFromBothDaemonsAreTheExplainedOnes(@TempDir Path folder)
            throws IOException, InterruptedException {
        try {
            StoreDaemon.setUpPeers();
        } catch (IOException e) {
            abort("needs Debian's xen-utils-4.17: " + e.getMessage());
        }
        ConformanceRun run = XenStoreConformance.runAll(folder);

        Map<String, String> found = new TreeMap<>();
        run.differences()
                .forEach((name, speakers) ->
                        found.put(
                                name,
                                speakers.values().stream()
                                        .map(daemons -> String.join("+", daemons))
                                        .collect(Collectors.joining("/"))));
        assertEquals(explained(), found, () -> run.differences().toString());
    }

    private static Map<String, String> explained() throws IOException {
        try (InputStream list =
                Objects.requireNonNull(
                        ConformanceIT.class.getResourceAsStream("differences.txt"))) {
            return new String(list.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .map(line -> line.split(" \\| ", 3))
                    .collect(
                            Collectors.toMap(
                                    fields -> fields[0],
                                    fields -> fields[1],
                                    (a, b) -> a + " and " + b,
                                    TreeMap::new));
        }
    }
}
