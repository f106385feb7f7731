package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

final class ProcessCollectorTest {
    private static String scraped() {
        PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        registry.getPrometheusRegistry().register(new ProcessCollector("1.2.3", "abc"));
        return registry.scrape();
    }

    private static double value(String text, String name) {
        var line = Pattern.compile("(?m)^" + name + " (\\S+)$").matcher(text);
        assertTrue(line.find(), text);
        return Double.parseDouble(line.group(1));
    }

    @Test
    void processIsDescribed() {
        String text = scraped();

        assertTrue(
                text.contains(
                        "xen_emu_build_info{commit=\"abc\",java=\"%s\",version=\"1.2.3\"} 1"
                                .formatted(Runtime.version())),
                text);
        assertTrue(value(text, "process_cpu_seconds_total") > 0);
        assertTrue(value(text, "process_start_time_seconds") > 1e9);
        assertTrue(
                value(text, "process_resident_memory_bytes")
                        < value(text, "process_virtual_memory_bytes"));
        assertTrue(value(text, "process_open_fds") > 3);
        assertTrue(value(text, "process_open_fds") < value(text, "process_max_fds"));
    }

    @Test
    void documentHasEachName() throws IOException {
        String text = scraped();
        List<List<String>> rows =
                Document.read("xen-emu-core/docs/metrics.md").table("process meters", 3);
        for (List<String> row : rows) {
            assertTrue(text.contains("# TYPE " + row.getFirst() + " "), row.getFirst());
        }
        assertTrue(
                text.lines().filter(line -> line.startsWith("# TYPE ")).count() == rows.size(),
                text);
    }
}
