package io.xenemu.core.xlcfg;

import com.google.common.collect.ImmutableListMultimap;
import io.xenemu.core.guest.DeviceModelConfig;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.GuestSetting;
import io.xenemu.core.guest.GuestSettings;
import io.xenemu.core.guest.WrongSetting;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/// The guest that a configuration file describes: each key does what the table [XlKey] says.
///
/// @param settings of the guest
/// @param warnings a line each, about keys without effect and other mistakes
public record XlGuest(GuestSettings settings, List<String> warnings) {
    private static final Pattern UUID_DIGITS = Pattern.compile("(.{8})(.{4})(.{4})(.{4})(.{12})");
    private static final Pattern HEXADECIMAL = Pattern.compile("[0-9a-fA-F]{32}");

    /// Values that turn a thing off that cannot be had.
    private static final List<String> OFF = List.of("", "0", "none", "disabled");

    public XlGuest {
        warnings = List.copyOf(warnings);
    }

    /// Finds names that are like a mistyped one.
    @FunctionalInterface
    public interface Similar {
        /// The names that may have been meant.
        List<String> to(String mistyped, Collection<String> names);
    }

    /// Makes the guest.
    ///
    /// @param similar tells what may have been meant
    /// @param isLenient whether keys that nobody knows are ignored, as in xl; otherwise they are errors
    /// @throws XlCfgException if a setting is wrong, or cannot be had
    public static XlGuest of(XlCfg cfg, Similar similar, boolean isLenient) throws XlCfgException {
        ImmutableListMultimap.Builder<GuestSetting, String> values =
                ImmutableListMultimap.builder();
        List<String> warnings = new ArrayList<>(cfg.warnings());
        XlStart start = XlStart.of(cfg, warnings);
        for (XlSetting setting : cfg.all()) {
            XlKey key = XlKey.named(setting.name());
            if (key != null) {
                add(key, setting, start, values, warnings);
            } else if (!isLenient) {
                List<String> meant = similar.to(setting.name(), XlKey.names());
                throw setting.wrong(
                        "no such setting in xl.cfg(5)%s; xl ignores it, and so does -q"
                                .formatted(
                                        meant.isEmpty()
                                                ? ""
                                                : " (did you mean %s?)"
                                                        .formatted(String.join(", ", meant))));
            }
        }
        start.settings().forEach(values::put);
        return new XlGuest(new GuestSettings(values.build()), warnings);
    }

    /// The guest for the service.
    ///
    /// @param cfg the file, whose lines a failure names
    /// @param source the file's name
    /// @param settings those of the guest, which a command line may have changed
    /// @throws XlCfgException if there can be no such guest
    public static GuestRequest request(XlCfg cfg, String source, GuestSettings settings)
            throws XlCfgException {
        if (settings.values().get(GuestSetting.NAME).isEmpty()) {
            throw new XlCfgException(source, "name: a guest needs one");
        }
        try {
            GuestRequest request = settings.request();
            DeviceModelConfig _ = settings.deviceModel();
            return request;
        } catch (WrongSetting e) {
            for (GuestSetting wrong : e.settings()) {
                XlSetting setting = cfg.find(wrong.key());
                if (setting != null) {
                    throw new XlCfgException(setting.place(), e.getMessage());
                }
            }
            throw new XlCfgException(source, e.getMessage());
        }
    }

    private static void add(
            XlKey key,
            XlSetting setting,
            XlStart start,
            ImmutableListMultimap.Builder<GuestSetting, String> values,
            List<String> warnings)
            throws XlCfgException {
        switch (key.use()) {
            case SETTING, OWN -> put(key, setting, values);
            case HVM -> {
                if (start.hasDeviceModel()) {
                    put(key, setting, values);
                } else if (start.type() == XlStart.Type.HVM && !isOff(setting)) {
                    warnings.add(ignored(setting, "it starts without a device model"));
                }
            }
            case START, SILENT -> {}
            case FIXED -> requireAccepted(key, setting);
            case IGNORED -> warnings.add(ignored(setting, key.note()));
            case HVM_ONLY -> {
                if (start.type() == XlStart.Type.HVM && !start.hasDeviceModel()) {
                    warnings.add(ignored(setting, key.note()));
                }
            }
            case DEVICE_MODEL -> {
                if (start.type() == XlStart.Type.HVM && !isOff(setting)) {
                    throw setting.wrong("the device model does not have it");
                }
            }
            case REFUSED -> {
                if (!isOff(setting)) {
                    throw setting.wrong("cannot be had: " + key.note());
                }
            }
        }
    }

    private static void put(
            XlKey key,
            XlSetting setting,
            ImmutableListMultimap.Builder<GuestSetting, String> values)
            throws XlCfgException {
        GuestSetting target = key.setting();
        if (target == null) {
            throw new IllegalStateException("no setting for " + key);
        }
        values.putAll(target, texts(key.form(), setting));
    }

    private static List<String> texts(XlForm form, XlSetting setting) throws XlCfgException {
        return switch (form) {
            case TEXT -> List.of(setting.text());
            case NUMBER -> List.of(Long.toString(setting.number()));
            case COUNT -> List.of(Long.toString(Math.max(1, setting.number())));
            case FLAG -> List.of(Boolean.toString(setting.flag()));
            case UUID -> List.of(uuid(setting));
            case TEXTS -> setting.texts();
            case TEXT_OR_TEXTS -> setting.isList() ? setting.texts() : List.of(setting.text());
            case FLAG_OR_TEXTS -> {
                if (setting.isList()) {
                    yield setting.texts();
                }
                yield setting.flag() ? List.of(Boolean.toString(true)) : List.of();
            }
        };
    }

    private static String uuid(XlSetting setting) throws XlCfgException {
        String digits = setting.text().replace("-", "");
        if (!HEXADECIMAL.matcher(digits).matches()) {
            throw setting.wrong("not a UUID");
        }
        return UUID_DIGITS.matcher(digits.toLowerCase(Locale.ROOT)).replaceFirst("$1-$2-$3-$4-$5");
    }

    private static void requireAccepted(XlKey key, XlSetting setting) throws XlCfgException {
        List<String> given = setting.isList() ? setting.texts() : List.of(setting.text());
        for (String text : given) {
            if (!text.isEmpty() && !key.accepted().contains(text)) {
                throw setting.wrong(
                        "only %s can be had: %s"
                                .formatted(String.join(", ", key.accepted()), key.note()));
            }
        }
    }

    private static boolean isOff(XlSetting setting) {
        return switch (setting.value()) {
            case XlValue.Text(String text) -> OFF.contains(text);
            case XlValue.Items(List<XlValue> values) -> values.isEmpty();
        };
    }

    private static String ignored(XlSetting setting, String reason) {
        return setting.place()
                + ": warning: "
                + setting.name()
                + " has no effect"
                + (reason.isEmpty() ? "" : ": " + reason);
    }
}
