package io.xenemu.core.control;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.xenemu.core.json.Json;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What the devices of a domain that the service serves have moved, from their meters. A service without `--metrics`
/// counts its devices alone.
///
/// @param counts by the members of a row of `top` for programs: `nets`, `net_tx_bytes`, `net_rx_bytes`, `vbds`,
///     `vbd_read_requests`, `vbd_read_bytes`, and the same for `write`
record DomainTraffic(Map<String, Long> counts) {
    /// A domain without such devices.
    static final DomainTraffic NONE = new DomainTraffic(Map.of());

    /// Networks and disks of a domain.
    static final String NETS = "nets";

    static final String VBDS = "vbds";

    DomainTraffic {
        counts = Map.copyOf(counts);
    }

    /// The traffic of all domains, by their ids. Looks at each meter once.
    static Map<String, DomainTraffic> all(MeterRegistry meters) {
        boolean counts =
                !(meters instanceof CompositeMeterRegistry none) || !none.getRegistries().isEmpty();
        Map<String, Map<String, Long>> all = new HashMap<>();
        Map<String, Set<String>> devices = new HashMap<>();
        for (Meter meter : meters.getMeters()) {
            Meter.Id id = meter.getId();
            String domain = id.getTag("domain");
            if (domain == null) {
                continue;
            }
            Map<String, Long> own = all.computeIfAbsent(domain, _ -> new HashMap<>());
            String kind = kind(id.getName());
            if (kind != null
                    && devices.computeIfAbsent(domain + kind, _ -> new HashSet<>())
                            .add(String.valueOf(id.getTag("device")))) {
                own.merge(kind, 1L, Long::sum);
            }
            String member = member(id);
            if (counts && member != null && meter instanceof FunctionCounter counter) {
                own.merge(member, Math.round(counter.count()), Long::sum);
            }
        }
        Map<String, DomainTraffic> traffic = new HashMap<>();
        all.forEach((domain, own) -> traffic.put(domain, new DomainTraffic(own)));
        return traffic;
    }

    /// The member that counts devices with such a meter, or null.
    private static @Nullable String kind(String meter) {
        return switch (meter) {
            case "xen.net.bytes" -> NETS;
            case "xen.block.inflight" -> VBDS;
            default -> null;
        };
    }

    private static @Nullable String member(Meter.Id id) {
        String op = id.getTag("op");
        // Neither flushes nor discards count.
        boolean isData = Objects.equals(op, "read") || Objects.equals(op, "write");
        return switch (id.getName()) {
            case "xen.net.bytes" -> "net_" + id.getTag("direction") + "_bytes";
            case "xen.block.requests" -> isData ? "vbd_" + op + "_requests" : null;
            case "xen.block.bytes" -> isData ? "vbd_" + op + "_bytes" : null;
            default -> null;
        };
    }

    /// A count of devices.
    long devices(String member) {
        return counts.getOrDefault(member, 0L);
    }

    /// A count for an operator: in units of so many, `-` if it is not known.
    ///
    /// @param devices the member that counts the devices that would count this
    String shown(String devices, String member, long unit) {
        Long count = counts.get(member);
        if (count == null) {
            // Nothing has moved, or nobody has counted.
            return devices(devices) == 0 || isCounted() ? "0" : "-";
        }
        return Long.toString(count / unit);
    }

    /// Whether anything but devices is counted. A network interface has its counts from the beginning; a disk gets one
    /// with its first request.
    private boolean isCounted() {
        return counts.keySet().stream().anyMatch(member -> member.contains("_"));
    }

    /// Adds the counts to a row for programs.
    Json.Obj addedTo(Json.Obj row) {
        Json.Obj all = row.with(NETS, devices(NETS)).with(VBDS, devices(VBDS));
        for (Map.Entry<String, Long> count : counts.entrySet()) {
            all = all.with(count.getKey(), count.getValue());
        }
        return all;
    }

    /// The traffic in a row that a service has sent.
    static DomainTraffic of(Json.Obj row) {
        Map<String, Long> counts = new HashMap<>();
        for (Map.Entry<String, Json> member : row.members().entrySet()) {
            String name = member.getKey();
            boolean isCount =
                    name.equals(NETS)
                            || name.equals(VBDS)
                            || name.startsWith("net_")
                            || name.startsWith("vbd_");
            if (isCount && member.getValue() instanceof Json.Int(long number)) {
                counts.put(name, number);
            }
        }
        return new DomainTraffic(counts);
    }
}
