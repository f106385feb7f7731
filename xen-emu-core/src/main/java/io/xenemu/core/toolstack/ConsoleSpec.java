package io.xenemu.core.toolstack;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.SequencedMap;

/// A console beside the domain's first one (`console`). With a name it is a channel, by which a program in the guest
/// finds it.
///
/// @param id its number, if it has one
/// @param name empty for none
/// @param connection the host's end
/// @param path of the socket or file; empty for a pseudo terminal
/// @param limit the most bytes of output that wait for a reader
/// @param maxSize the largest size of the file, bytes
/// @param tty the path of the pseudo terminal, once there is one; empty before
/// @param backend name or id of the back end's domain
public record ConsoleSpec(
        OptionalInt id,
        String name,
        Connection connection,
        String path,
        int limit,
        long maxSize,
        String tty,
        String backend)
        implements DeviceSpec {
    /// The least number: 0 is the domain's first console, which is no device of this kind.
    static final int FIRST = 1;

    /// The highest number: Linux's front end takes the last digit of it.
    static final int LAST = 9;

    /// The default of libxl (`LIBXL_XENCONSOLE_LIMIT`).
    static final int DEFAULT_LIMIT = 1 << 20;

    /// The most bytes of output that wait: each console of each guest may take so much memory.
    public static final int MAX_LIMIT = 16 << 20;

    /// The node of the name in the record, which the guest cannot change.
    static final String NAME = "name";

    /// The node of the pseudo terminal's path, also in the record.
    static final String TTY = "tty";

    private static final String PROTOCOL = "vt100";

    /// The kinds of host's ends.
    public enum Connection {
        /// A pseudo terminal of the host.
        PTY,
        /// A Unix socket that the back end listens on.
        SOCKET,
        /// A file to which output is appended; xl has no such word.
        FILE;

        /// The word for it, also in XenStore.
        String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /// Parses a specification in xl's words (`channel=` in xl.cfg(5)); each word may be a part of it.
    ///
    /// @throws Refused if it is malformed
    public static ConsoleSpec parse(List<String> words) throws Refused {
        ConsoleSpecParser parser = new ConsoleSpecParser();
        for (String part : DeviceSpec.parts(words)) {
            parser.part(part);
        }
        return parser.result();
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.CONSOLE;
    }

    @Override
    public ConsoleSpec numbered(int number) {
        return new ConsoleSpec(
                OptionalInt.of(number), name, connection, path, limit, maxSize, tty, backend);
    }

    /// This specification with the pseudo terminal that the host has given.
    public ConsoleSpec withTty(String terminal) {
        return new ConsoleSpec(id, name, connection, path, limit, maxSize, terminal, backend);
    }

    /// As libxl writes them (`tools/libs/light/libxl_console.c`), and the terminal for the record.
    @Override
    public DeviceContents contents(PvDevice device) {
        SequencedMap<String, String> back = DeviceContents.back(device);
        back.put("protocol", PROTOCOL);
        SequencedMap<String, String> readable = new LinkedHashMap<>();
        if (!name.isEmpty()) {
            readable.put(NAME, name);
            back.put(NAME, name);
        }
        back.put("connection", connection.word());
        if (!path.isEmpty()) {
            back.put("path", path);
        }
        if (!tty.isEmpty()) {
            back.put(TTY, tty);
        }
        readable.put("limit", Integer.toString(limit));
        readable.put("type", "ioemu");
        readable.put("output", output(device));
        readable.put(TTY, tty);
        SequencedMap<String, String> front = DeviceContents.front(device);
        front.put("protocol", PROTOCOL);
        return new DeviceContents(back, front, readable);
    }

    private String output(PvDevice device) {
        return switch (connection) {
            case PTY -> "pty";
            // libxl counts channels from 0.
            case SOCKET -> "chardev:libxl-channel" + (device.id() - FIRST);
            case FILE -> "file:" + path;
        };
    }
}
