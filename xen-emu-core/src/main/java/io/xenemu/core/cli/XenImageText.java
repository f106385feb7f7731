package io.xenemu.core.cli;

import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.core.trace.TraceText;
import io.xenemu.core.xenimage.XenImageReport;
import io.xenemu.core.xenimage.XlConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The output of `xen-emu inspect` for an image of real Xen. Names and paths in it are not trusted.
final class XenImageText {
    private static final double KIB_PER_MIB = 1024;

    private XenImageText() {}

    static List<String> lines(XenImageReport report) {
        XlConfig config = report.config();
        List<String> lines = new ArrayList<>();
        lines.add("guest " + TraceText.printable(config.name()));
        lines.add(
                "  saved by Xen %d.%d, uuid %s"
                        .formatted(report.xenMajor(), report.xenMinor(), config.uuid()));
        lines.add(
                "  %d vCPUs, APIC ids in steps of %d, %.1f MiB"
                        .formatted(
                                config.vcpus(),
                                report.apicIdStep(),
                                config.maxMemoryKib() / KIB_PER_MIB));
        String kernel = config.kernel();
        lines.add(
                kernel == null
                        ? "  no kernel"
                        : "  kernel %s: not in the file".formatted(TraceText.printable(kernel)));
        String ramdisk = config.ramdisk();
        if (ramdisk != null) {
            lines.add("  module %s: not in the file".formatted(TraceText.printable(ramdisk)));
        }
        config.disks().forEach(disk -> lines.add("  disk " + TraceText.printable(disk)));
        config.nics().forEach(nic -> lines.add("  vif " + TraceText.printable(nic)));
        lines.add("  RAM: %d pages".formatted(report.pages()));
        lines.add(
                report.records().stream()
                        .map(record -> "%s %d".formatted(record.name(), record.count()))
                        .collect(Collectors.joining(", ", "  records: ", "")));
        lines.add("whole: an image of xl, %d bytes".formatted(report.bytes()));
        return lines;
    }

    /// The JSON, on one line. Members are only added, never renamed.
    static String json(XenImageReport report) {
        XlConfig config = report.config();
        Json.Obj guest =
                Json.EMPTY
                        .with("name", config.name())
                        .with("uuid", config.uuid().toString())
                        .with("xen", report.xenMajor() + "." + report.xenMinor())
                        .with("vcpus", config.vcpus())
                        .with("apic-id-step", report.apicIdStep())
                        .with("memory", config.maxMemoryKib() << 10)
                        .with("kernel", text(config.kernel()))
                        .with("ramdisk", text(config.ramdisk()))
                        .with("disks", Json.texts(config.disks()))
                        .with("vifs", Json.texts(config.nics()))
                        .with("pages", report.pages())
                        .with("records", records(report));
        return JsonWriter.line(
                Json.EMPTY
                        .with("format", "xl")
                        .with("bytes", report.bytes())
                        .with("guests", new Json.Array(List.of(guest))));
    }

    private static Json text(@Nullable String value) {
        return value == null ? new Json.Null() : new Json.Text(value);
    }

    private static Json records(XenImageReport report) {
        Json.Obj counts = Json.EMPTY;
        for (XenImageReport.RecordCount record : report.records()) {
            counts = counts.with(record.name(), record.count());
        }
        return counts;
    }
}
