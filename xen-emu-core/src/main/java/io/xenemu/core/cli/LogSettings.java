package io.xenemu.core.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// The level and the form of this process's log on standard error. A service in the background also logs the life of
/// its guests (INFO); a command in a terminal logs only failures (WARN). If standard error is systemd's journal, each
/// line begins with its priority, as in sd-daemon(3).
///
/// @param level of the root logger
/// @param form a pattern of logback's, empty for that of LogConfigurator
record LogSettings(String level, String form) {
    /// The environment variable with a level other than the default.
    static final String VARIABLE = "XEN_EMU_LOG";

    private static final Set<String> LEVELS =
            Set.of("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF");

    private static final Set<String> BACKGROUND = Set.of("daemon", "xenstored", "web");

    private static final String JOURNAL_VARIABLE = "JOURNAL_STREAM";
    private static final Path STDERR = Path.of("/proc/self/fd/2");

    private static final String JOURNAL_FORM =
            "%replace(%replace(%replace(%replace(%replace(%level){'ERROR','<3>'}){'WARN','<4>'}){'INFO','<6>'})"
                    + "{'DEBUG','<7>'}){'TRACE','<7>'}[%thread] %msg%n";

    /// The settings for a command.
    ///
    /// @param verb the command, or empty
    /// @param stderr device and inode of standard error, as JOURNAL_STREAM has them
    /// @throws IllegalArgumentException for a level that does not exist
    static LogSettings of(Map<String, String> environment, String verb, String stderr) {
        String level =
                environment
                        .getOrDefault(VARIABLE, BACKGROUND.contains(verb) ? "INFO" : "WARN")
                        .toUpperCase(Locale.ROOT);
        if (!LEVELS.contains(level)) {
            throw new IllegalArgumentException(
                    VARIABLE
                            + ": '"
                            + environment.get(VARIABLE)
                            + "' is none of trace, debug, info, warn, error, off");
        }
        boolean journal = stderr.equals(environment.get(JOURNAL_VARIABLE));
        return new LogSettings(level, journal ? JOURNAL_FORM : "");
    }

    /// Applies the settings of this process. Call it before the first log line, since logback reads them then.
    ///
    /// @throws IllegalArgumentException as [#of]
    static void apply(String verb) {
        LogSettings settings = of(System.getenv(), verb, identity());
        System.setProperty(LogProvider.VERBOSITY, "WARN"); // else slf4j tells of the next line
        System.setProperty(LogProvider.PROPERTY, LogProvider.class.getName());
        System.setProperty(LogConfigurator.LEVEL, settings.level);
        if (!settings.form.isEmpty()) {
            System.setProperty(LogConfigurator.FORM, settings.form);
        }
    }

    private static String identity() {
        try {
            return Files.getAttribute(STDERR, "unix:dev")
                    + ":"
                    + Files.getAttribute(STDERR, "unix:ino");
        } catch (IOException e) {
            // Standard error is closed, so it is no journal either.
            return "";
        }
    }
}
