package io.xenemu.core.cli;

import io.xenemu.core.guest.SavedSettings;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.core.migration.BootFile;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.SavedConfig;
import io.xenemu.core.migration.SavedReport;
import io.xenemu.kvm.wire.WireException;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/// The JSON of `xen-emu inspect --json`. Members are only added, never renamed.
final class SavedReportJson {
    private SavedReportJson() {}

    static String line(SavedReport report) {
        return JsonWriter.line(
                Json.EMPTY
                        .with("format", 1)
                        .with("bytes", report.bytes())
                        .with("guests", array(report.guests(), SavedReportJson::guest)));
    }

    private static <T> Json array(List<T> values, Function<T, Json> each) {
        return new Json.Array(values.stream().map(each).toList());
    }

    private static Json guest(SavedReport.Guest guest) {
        GuestSummary summary = guest.head().guest();
        return Json.EMPTY
                .with("name", summary.name())
                .with("domid", summary.id().value())
                .with("uuid", summary.uuid().toString())
                .with("vcpus", summary.vcpus())
                .with("memory", summary.memoryBytes())
                .with("saved-at", summary.savedAt().toString())
                .with("config", config(guest.head().config()))
                .with("files", array(guest.head().files(), SavedReportJson::file))
                .with(
                        "state",
                        Json.EMPTY
                                .with("bytes", guest.stateBytes())
                                .with("frames", array(guest.frames(), SavedReportJson::frame)))
                .with(
                        "ram",
                        Json.EMPTY
                                .with("pages", guest.ram().totalPages())
                                .with("saved-pages", guest.ram().pages())
                                .with("bytes", guest.ram().bytes())
                                .with("sections", guest.ram().sections())
                                .with("compressed-sections", guest.ram().compressedSections()));
    }

    private static Json config(SavedConfig config) {
        Json.Obj known =
                Json.EMPTY
                        .with("version", Integer.toUnsignedLong(config.version()))
                        .with("bytes", config.length());
        try {
            Json.Obj settings = Json.EMPTY;
            for (Map.Entry<String, String> setting : SavedSettings.of(config).values().entrySet()) {
                settings = settings.with(setting.getKey(), setting.getValue());
            }
            return known.with("settings", settings);
        } catch (WireException e) {
            return known.with("unknown", String.valueOf(e.getMessage()));
        }
    }

    private static Json file(BootFile file) {
        return Json.EMPTY
                .with("role", file.role().word())
                .with("path", file.path())
                .with("bytes", file.size())
                .with("included", new Json.Bool(file.isIncluded()))
                .with("sha256", file.sha256().toString());
    }

    private static Json frame(SavedReport.Frame frame) {
        return Json.EMPTY
                .with("type", frame.name())
                .with("version", Integer.toUnsignedLong(frame.version()))
                .with("bytes", frame.bytes());
    }
}
