package io.xenemu.core.cli;

import io.xenemu.core.guest.SavedSettings;
import io.xenemu.core.migration.BootFile;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.RamStatistics;
import io.xenemu.core.migration.SavedConfig;
import io.xenemu.core.migration.SavedReport;
import io.xenemu.core.trace.TraceText;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// The text of `xen-emu inspect`. Names and paths in a file are not trusted: they are printed without characters that a
/// terminal obeys.
final class SavedReportText {
    private static final double MIB = 1 << 20;

    private SavedReportText() {}

    static List<String> lines(SavedReport report) {
        List<String> lines = new ArrayList<>();
        for (SavedReport.Guest guest : report.guests()) {
            add(lines, guest);
        }
        lines.add("whole: %d guests, %d bytes".formatted(report.guests().size(), report.bytes()));
        return lines;
    }

    private static void add(List<String> lines, SavedReport.Guest guest) {
        GuestSummary summary = guest.head().guest();
        lines.add("guest " + TraceText.printable(summary.name()));
        lines.add("  domain id %d, uuid %s".formatted(summary.id().value(), summary.uuid()));
        lines.add(
                "  %d vCPUs, %.1f MiB, saved %s"
                        .formatted(
                                summary.vcpus(), summary.memoryBytes() / MIB, summary.savedAt()));
        addConfig(lines, guest.head().config());
        for (BootFile file : guest.head().files()) {
            lines.add(
                    "  %s %s: %d bytes, %s, sha256 %s"
                            .formatted(
                                    file.role().word(),
                                    TraceText.printable(file.path()),
                                    file.size(),
                                    file.isIncluded() ? "in the file" : "not in the file",
                                    file.sha256()));
        }
        lines.add(
                "  state: %d frames, %d bytes"
                        .formatted(guest.frames().size(), guest.stateBytes()));
        for (SavedReport.Frame frame : guest.frames()) {
            lines.add(
                    "    %-4s version %s, %d bytes"
                            .formatted(
                                    frame.name(),
                                    Integer.toUnsignedString(frame.version()),
                                    frame.bytes()));
        }
        addRam(lines, guest.ram());
    }

    /// A configuration of a layout that this program does not know is no fault of the file: a newer service may have
    /// written it.
    private static void addConfig(List<String> lines, SavedConfig config) {
        lines.add(
                "  configuration: version %s, %d bytes"
                        .formatted(Integer.toUnsignedString(config.version()), config.length()));
        try {
            SavedSettings.of(config)
                    .values()
                    .forEach((name, value) ->
                            lines.add("    %s=%s".formatted(name, TraceText.printable(value))));
        } catch (WireException e) {
            lines.add("    " + TraceText.printable(String.valueOf(e.getMessage())));
        }
    }

    private static void addRam(List<String> lines, RamStatistics ram) {
        lines.add(
                "  RAM: %d pages, %d in the file, as %.1f MiB in %d sections, %d of them compressed"
                        .formatted(
                                ram.totalPages(),
                                ram.pages(),
                                ram.bytes() / MIB,
                                ram.sections(),
                                ram.compressedSections()));
    }
}
