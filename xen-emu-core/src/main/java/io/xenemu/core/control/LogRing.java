package io.xenemu.core.control;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The last lines of the service's log, for an operator who has not its standard error: xl's `dmesg`. The monitor is a
/// leaf.
public final class LogRing extends AppenderBase<ILoggingEvent> {
    /// Its name among the appenders of the root logger.
    private static final String NAME = "dmesg";

    /// The most characters that are kept, about as many bytes. Xen's ring has 16 KiB and more.
    static final int MAX_CHARACTERS = 128 << 10;

    /// The most characters of a line. A line has a guest's or an operator's words in it.
    static final int MAX_LINE = 1000;

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss", Locale.ROOT);

    @GuardedBy("this")
    private final Deque<String> lines = new ArrayDeque<>();

    @GuardedBy("this")
    private int characters;

    /// Makes an empty one.
    public LogRing() {
        setName(NAME);
    }

    /// The one of this process, or null if its log has none.
    static @Nullable LogRing ofThisProcess() {
        return LoggerFactory.getILoggerFactory() instanceof LoggerContext context
                        && context.getLogger(Logger.ROOT_LOGGER_NAME).getAppender(NAME)
                                instanceof LogRing ring
                ? ring
                : null;
    }

    @Override
    protected void append(ILoggingEvent event) {
        String time = event.getInstant().atZone(ZoneId.systemDefault()).format(TIME);
        add("(xen-emu) [%s] %s: %s".formatted(time, event.getLevel(), event.getFormattedMessage()));
    }

    /// Adds a line, in place of the oldest ones. Control characters are shown as `?`.
    synchronized void add(String line) {
        String plain = line.replaceAll("[\\p{Cntrl}]", "?");
        String kept = plain.length() > MAX_LINE ? plain.substring(0, MAX_LINE) : plain;
        lines.addLast(kept);
        characters += kept.length();
        while (characters > MAX_CHARACTERS) {
            characters -= lines.removeFirst().length();
        }
    }

    /// The lines, the oldest first.
    ///
    /// @param clear whether none of them is kept
    synchronized List<String> lines(boolean clear) {
        List<String> all = List.copyOf(lines);
        if (clear) {
            lines.clear();
            characters = 0;
        }
        return all;
    }
}
