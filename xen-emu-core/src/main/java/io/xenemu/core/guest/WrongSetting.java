package io.xenemu.core.guest;

import java.util.List;
import java.util.stream.Collectors;

/// Thrown if no guest can have these settings.
public final class WrongSetting extends Exception {
    private static final long serialVersionUID = 1;

    @SuppressWarnings("serial") // it is an immutable list of enums
    private final List<GuestSetting> settings;

    private final String reason;

    /// @param settings those that are wrong, alone or together
    WrongSetting(List<GuestSetting> settings, String reason) {
        super(names(settings) + ": " + reason, null, false, false);
        this.settings = List.copyOf(settings);
        this.reason = reason;
    }

    private static String names(List<GuestSetting> settings) {
        return settings.stream().map(GuestSetting::key).collect(Collectors.joining(", "));
    }

    /// Those that are wrong, alone or together.
    public List<GuestSetting> settings() {
        return settings;
    }

    @Override
    public String getMessage() {
        return String.valueOf(super.getMessage());
    }

    /// The message with the names of options.
    public String byOption() {
        return settings.stream().map(GuestSetting::option).collect(Collectors.joining(", "))
                + ": "
                + reason;
    }
}
