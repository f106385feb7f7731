package io.xenemu.core.toolstack;

import com.google.common.base.CharMatcher;
import io.xenemu.core.toolstack.ConsoleSpec.Connection;
import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// Parses the specification of a console or channel: keys with values, separated by commas; a later value replaces an
/// earlier one. As with xl, neither has a comma, an equals sign or a quotation mark.
public final class ConsoleSpecParser {
    /// A ring full of output, and the memory that a console has anyway.
    private static final long MIN_LIMIT = 4 << 10;

    private static final long MIN_SIZE = 4 << 10;
    private static final long MAX_SIZE = 1L << 40;
    private static final long DEFAULT_SIZE = 16 << 20;

    /// A name is a node's value; well-known ones are short.
    private static final int NAME_MAX = 256;

    private static final CharMatcher IN_NAME = CharMatcher.inRange(' ', '~');

    private String name = "";
    private @Nullable Connection connection;
    private String path = "";
    private long limit = ConsoleSpec.DEFAULT_LIMIT;
    private long maxSize = DEFAULT_SIZE;
    private String backend = DeviceSpec.SERVICE;

    /// Parses one part ([DeviceSpec#parts]).
    void part(String part) throws Refused {
        int equals = part.indexOf('=');
        if (equals < 0 || part.indexOf('=', equals + 1) >= 0 || part.indexOf('"') >= 0) {
            throw new Refused("wrong parameter of a console: " + part);
        }
        String key = part.substring(0, equals).strip();
        String value = part.substring(equals + 1).strip();
        switch (key) {
            case "name" -> name = name(value);
            case "connection" -> connection = connection(value);
            case "path" -> path = DeviceSpec.path(value);
            case "limit" -> limit = bytes(key, value, MIN_LIMIT, ConsoleSpec.MAX_LIMIT);
            case "max-size" -> maxSize = bytes(key, value, MIN_SIZE, MAX_SIZE);
            case "backend" -> backend = value.isEmpty() ? DeviceSpec.SERVICE : value;
            default -> throw new Refused("unknown parameter of a console: " + key);
        }
    }

    private static String name(String value) throws Refused {
        if (value.isEmpty() || value.length() > NAME_MAX || !IN_NAME.matchesAllOf(value)) {
            throw new Refused(
                    "wrong name: 1 to %d printable ASCII characters are possible"
                            .formatted(NAME_MAX));
        }
        return value;
    }

    /// xl.cfg(5) has capitals, xl itself small letters.
    private static Connection connection(String value) throws Refused {
        String word = value.toLowerCase(Locale.ROOT);
        return Arrays.stream(Connection.values())
                .filter(connection -> connection.word().equals(word))
                .findFirst()
                .orElseThrow(() ->
                        new Refused(
                                "unknown connection of a console: %s: pty, socket and file are possible"
                                        .formatted(value)));
    }

    private static long bytes(String key, String value, long least, long most) throws Refused {
        long number = DiskRates.parse(key, value, true);
        if (number < least || number > most) {
            throw new Refused(
                    "%s=%s: %d to %d bytes are possible".formatted(key, value, least, most));
        }
        return number;
    }

    /// The parsed console.
    ConsoleSpec result() throws Refused {
        Connection chosen = connection;
        if (chosen == null) {
            throw new Refused("no connection given: connection=pty, socket or file");
        }
        if (chosen != Connection.PTY && path.isEmpty()) {
            throw new Refused("no path given: path=PATH is the console's " + chosen.word());
        }
        return new ConsoleSpec(
                OptionalInt.empty(),
                name,
                chosen,
                // xl drops that of a terminal too.
                chosen == Connection.PTY ? "" : path,
                Math.toIntExact(limit),
                maxSize,
                "",
                backend);
    }
}
