package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.json.Json;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// What domains use, as xentop shows it.
final class TopTableTest {
    private static final long SECOND = 1_000_000_000;

    private static DomainRow domain(String name, int id, long cpuMillis) {
        return new DomainRow(name, id, "", 512, 1024, 2, "-b----", cpuMillis, 0, -1);
    }

    private static TopTable table(long nanos, TopTable.Row... rows) {
        return new TopTable(List.of(rows), 4 << 20, nanos);
    }

    private static MeterRegistry metersOfADomain(MeterRegistry meters) {
        count(meters, "xen.net.bytes", 4096, "device", "vif-1-0", "direction", "tx", "queue", "0");
        count(meters, "xen.net.bytes", 1024, "device", "vif-1-0", "direction", "tx", "queue", "1");
        count(meters, "xen.net.bytes", 2048, "device", "vif-1-0", "direction", "rx", "queue", "0");
        Gauge.builder("xen.block.inflight", () -> 0)
                .tags("domain", "1", "device", "vbd-1-51712")
                .register(meters);
        Gauge.builder("xen.block.inflight", () -> 0)
                .tags("domain", "1", "device", "vbd-1-51728")
                .register(meters);
        for (String device : List.of("vbd-1-51712", "vbd-1-51728")) {
            count(
                    meters,
                    "xen.block.requests",
                    3,
                    "device",
                    device,
                    "op",
                    "read",
                    "result",
                    "okay");
            count(
                    meters,
                    "xen.block.requests",
                    1,
                    "device",
                    device,
                    "op",
                    "flush",
                    "result",
                    "okay");
            count(meters, "xen.block.bytes", 8192, "device", device, "op", "read");
        }
        return meters;
    }

    private static void count(MeterRegistry meters, String name, double value, String... tags) {
        FunctionCounter.builder(name, value, it -> it)
                .tags(tags)
                .tag("domain", "1")
                .register(meters);
    }

    @Test
    void headerAndRowsAreXentops() {
        Map<String, DomainTraffic> traffic =
                DomainTraffic.all(metersOfADomain(new SimpleMeterRegistry()));
        TopTable before = table(0, new TopTable.Row(domain("web", 1, 1000), DomainTraffic.NONE));
        TopTable now =
                table(
                        2 * SECOND,
                        new TopTable.Row(
                                domain("web", 1, 2500),
                                traffic.getOrDefault("1", DomainTraffic.NONE)),
                        new TopTable.Row(domain("a-long-name", 2, 100), DomainTraffic.NONE));

        assertEquals(
                List.of(
                        "      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) VBDS   VBD_OO   VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID",
                        "       web -b----          2   75.0     524288   12.5    1048576      25.0     2    1        5        2    2        0        6        0         32          0    0",
                        "a-long-nam -b----          0    0.0     524288   12.5    1048576      25.0     2    0        0        0    0        0        0        0          0          0    0"),
                now.lines(before, false));
        String whole = now.lines(now, true).get(2);
        assertTrue(whole.startsWith("a-long-name -b----          0    0.0 "), whole);
    }

    @Test
    void whatNobodyHasCountedIsADash() {
        Map<String, DomainTraffic> traffic =
                DomainTraffic.all(metersOfADomain(new CompositeMeterRegistry()));
        TopTable now =
                table(
                        0,
                        new TopTable.Row(
                                domain("web", 1, 0),
                                traffic.getOrDefault("1", DomainTraffic.NONE)));

        String line = now.lines(now, false).get(1);
        assertEquals("2 1 - - 2 0 - - - - 0", line.substring(78).strip().replaceAll(" +", " "));
    }

    @Test
    void rowsForProgramsAreReadAgain() {
        Map<String, DomainTraffic> traffic =
                DomainTraffic.all(metersOfADomain(new SimpleMeterRegistry()));
        TopTable table =
                table(
                        SECOND,
                        new TopTable.Row(
                                domain("web", 1, 2500),
                                traffic.getOrDefault("1", DomainTraffic.NONE)));

        List<Json.Obj> rows =
                table.json() instanceof Json.Array(List<Json> all)
                        ? all.stream().map(Json.Obj.class::cast).toList()
                        : List.of();

        assertEquals(table, TopTable.of(rows, 4 << 20, SECOND));
    }
}
