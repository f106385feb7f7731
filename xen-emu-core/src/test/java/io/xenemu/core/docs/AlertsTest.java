package io.xenemu.core.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonException;
import io.xenemu.core.json.JsonReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The rules for Prometheus and the dashboard for Grafana ask for meters that there are.
final class AlertsTest {
    private static final Path FOLDER = Path.of("src/main/dist/share/xen-emu");
    private static final Pattern METER = Pattern.compile("\\b(?:xen|process)_[a-z_]+");

    private static Set<String> documented() throws IOException {
        Document document = Document.read("xen-emu-core/docs/metrics.md");
        Set<String> names = new TreeSet<>();
        for (String table : new String[] {"meters", "domain meters", "process meters"}) {
            document.table(table, 3).forEach(row -> names.add(row.getFirst()));
        }
        return names;
    }

    private static Set<String> asked(Stream<String> expressions) {
        Set<String> names = new TreeSet<>();
        expressions.forEach(
                text -> METER.matcher(text).results().forEach(name -> names.add(name.group())));
        return names;
    }

    private static void assertDocumented(Set<String> names) throws IOException {
        assertTrue(names.size() > 5, names.toString());
        names.removeAll(documented());
        assertEquals(Set.of(), names);
    }

    @Test
    void rulesAskForMetersThatThereAre() throws IOException {
        assertDocumented(
                asked(
                        Files.readAllLines(FOLDER.resolve("alerts.yml")).stream()
                                .filter(line -> line.strip().startsWith("expr:"))));
    }

    @Test
    void dashboardAsksForMetersThatThereAre() throws IOException, JsonException {
        String text = Files.readString(FOLDER.resolve("dashboard.json"));
        assertTrue(JsonReader.read(text) instanceof Json.Obj);
        assertDocumented(asked(text.lines().filter(line -> line.contains("\"expr\":"))));
    }
}
