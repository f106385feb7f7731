package io.xenemu.core.control;

import io.xenemu.core.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// The domains as `xentop -b` shows them: a header, and a row for each.
///
/// @param rows of the domains
/// @param memoryKib all memory of the host
/// @param nanos when the rows were made, of any clock
public record TopTable(List<Row> rows, long memoryKib, long nanos) {
    /// The width of the name, which is cut there.
    private static final int NAME = 10;

    private static final double PERCENT = 100;
    private static final double NANOS_PER_MILLI = 1e6;
    private static final int MILLIS = 1000;
    private static final int KIB = 1024;
    private static final int SECTOR = 512;
    private static final int KIB_SHIFT = 10;

    /// A domain, and what its devices have moved.
    public record Row(DomainRow domain, DomainTraffic traffic) {}

    public TopTable {
        rows = List.copyOf(rows);
    }

    /// The table that a service has sent.
    public static TopTable of(List<Json.Obj> rows, long memoryKib, long nanos) {
        return new TopTable(
                rows.stream()
                        .map(row -> new Row(DomainRow.of(row), DomainTraffic.of(row)))
                        .toList(),
                memoryKib,
                nanos);
    }

    /// The rows for programs.
    Json json() {
        return new Json.Array(
                rows.stream()
                        .<Json>map(row -> row.traffic().addedTo(row.domain().json()))
                        .toList());
    }

    /// The lines.
    ///
    /// @param before an earlier table, against which the use of processors is counted; this one for the first
    /// @param isFull whether names are not cut
    public List<String> lines(TopTable before, boolean isFull) {
        List<String> lines = new ArrayList<>();
        lines.add(
                String.format(
                        Locale.ROOT,
                        "%10s %6s %10s %6s %10s %6s %10s %9s %5s %4s %8s %8s %4s %8s %8s %8s %10s %10s %4s",
                        "NAME",
                        "STATE",
                        "CPU(sec)",
                        "CPU(%)",
                        "MEM(k)",
                        "MEM(%)",
                        "MAXMEM(k)",
                        "MAXMEM(%)",
                        "VCPUS",
                        "NETS",
                        "NETTX(k)",
                        "NETRX(k)",
                        "VBDS",
                        "VBD_OO",
                        "VBD_RD",
                        "VBD_WR",
                        "VBD_RSECT",
                        "VBD_WSECT",
                        "SSID"));
        rows.forEach(row -> lines.add(line(row, before, isFull)));
        return lines;
    }

    private String line(Row row, TopTable before, boolean isFull) {
        DomainRow domain = row.domain();
        DomainTraffic traffic = row.traffic();
        String name = domain.name();
        long memory = domain.memoryMib() << KIB_SHIFT;
        long most = domain.maxMemoryMib() << KIB_SHIFT;
        String nets = DomainTraffic.NETS;
        String disks = DomainTraffic.VBDS;
        return String.format(
                Locale.ROOT,
                "%10s %6s %10d %6.1f %10d %6.1f %10d %9.1f %5d %4d %8s %8s %4d %8d %8s %8s %10s %10s %4d",
                isFull || name.length() <= NAME ? name : name.substring(0, NAME),
                domain.state(),
                domain.cpuMillis() / MILLIS,
                before.used(domain, nanos),
                memory,
                percent(memory),
                most,
                percent(most),
                domain.vcpus(),
                traffic.devices(nets),
                traffic.shown(nets, "net_tx_bytes", KIB),
                traffic.shown(nets, "net_rx_bytes", KIB),
                traffic.devices(disks),
                // No disk of the service runs out of requests.
                0,
                traffic.shown(disks, "vbd_read_requests", 1),
                traffic.shown(disks, "vbd_write_requests", 1),
                traffic.shown(disks, "vbd_read_bytes", SECTOR),
                traffic.shown(disks, "vbd_write_bytes", SECTOR),
                // There are no security labels.
                0);
    }

    private double percent(long kib) {
        return memoryKib == 0 ? 0 : PERCENT * kib / memoryKib;
    }

    /// The part of one CPU that a domain of this table has used since then.
    private double used(DomainRow now, long until) {
        double millis = (until - nanos) / NANOS_PER_MILLI;
        return rows.stream()
                .map(Row::domain)
                .filter(then -> then.id() == now.id() && millis > 0)
                .mapToDouble(then -> PERCENT * (now.cpuMillis() - then.cpuMillis()) / millis)
                .findFirst()
                .orElse(0);
    }
}
