package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.xenemu.core.control.DomainRow;
import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

final class DomainCollectorTest {
    private static final Pattern TYPE = Pattern.compile("(?m)^# TYPE (\\S+) ");

    private final List<DomainRow> rows = new ArrayList<>();
    private final PrometheusMeterRegistry registry =
            new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

    DomainCollectorTest() {
        registry.getPrometheusRegistry().register(new DomainCollector(() -> List.copyOf(rows)));
    }

    private static DomainRow row(String name, int id, String state) {
        return new DomainRow(name, id, "u-" + id, 512, 1024, 2, state, 1500, 1_700_000_000, -1);
    }

    private List<String> lines(String begin) {
        return registry.scrape().lines().filter(line -> line.startsWith(begin)).toList();
    }

    @Test
    void domainsAreDescribed() {
        rows.add(row("web", 3, "-b----"));

        assertEquals(
                List.of("xen_domain_info{domain=\"3\",name=\"web\",uuid=\"u-3\"} 1"),
                lines("xen_domain_info"));
        assertEquals(
                List.of("xen_domain_cpu_seconds_total{domain=\"3\"} 1.5"), lines("xen_domain_cpu"));
        assertEquals(
                List.of("xen_domain_memory_bytes{domain=\"3\"} 5.36870912E8"),
                lines("xen_domain_memory"));
        assertEquals(
                List.of("xen_domain_max_memory_bytes{domain=\"3\"} 1.073741824E9"),
                lines("xen_domain_max"));
        assertEquals(List.of("xen_domain_vcpus{domain=\"3\"} 2.0"), lines("xen_domain_vcpus"));
        assertEquals(
                List.of("xen_domain_start_time_seconds{domain=\"3\"} 1.7E9"),
                lines("xen_domain_start"));
    }

    @Test
    void eachStateIsASeries() {
        rows.add(row("web", 3, "---sc-"));

        assertEquals(
                List.of(
                        "blocked 0.0",
                        "crashed 1.0",
                        "dying 0.0",
                        "paused 0.0",
                        "running 0.0",
                        "shutdown 1.0"),
                lines("xen_domain_state{").stream()
                        .map(line -> line.replaceAll(".*state=\"(.*)\"}", "$1"))
                        .sorted()
                        .toList());
    }

    /// A name is an operator's, and may have any characters.
    @Test
    void namesAreEscapedAndFollowARename() {
        rows.add(row("a\"b\\c", 1, "r-----"));
        assertTrue(lines("xen_domain_info").getFirst().contains("name=\"a\\\"b\\\\c\""));

        rows.set(0, row("other", 1, "r-----"));
        assertTrue(lines("xen_domain_info").getFirst().contains("name=\"other\""));

        rows.clear();
        assertEquals(List.of(), lines("xen_domain_"));
    }

    @Test
    void documentHasEachName() throws IOException {
        rows.add(row("web", 3, "-b----"));
        Set<String> told =
                TYPE.matcher(registry.scrape())
                        .results()
                        .map(result -> result.group(1))
                        .collect(Collectors.toSet());
        Set<String> documented =
                Document.read("xen-emu-core/docs/metrics.md").table("domain meters", 3).stream()
                        .map(List::getFirst)
                        .collect(Collectors.toSet());
        assertEquals(told, documented);
    }
}
