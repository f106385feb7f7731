package io.xenemu.core.xlcfg;

import io.xenemu.core.xlcfg.XlToken.Kind;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The settings of a configuration file in the syntax of xl.cfg(5), whatever they mean ([XlGuest]).
///
/// Statements end with a newline or `;`. `NAME=VALUE` sets, and `NAME+=VALUE` adds a text or a list to what is there. A
/// value is a string, a number or a list. If a name is set again, the later value counts, without a word in xl.
public final class XlCfg {
    /// The source of settings that the command line has.
    public static final String COMMAND_LINE = "command line";

    /// The most bytes of a file: the largest real ones have a few thousand.
    public static final int MAX_BYTES = 1 << 20;

    /// The deepest lists. xl.cfg(5) has lists of lists (`vnuma`, `vsnd`).
    static final int MAX_DEPTH = 8;

    /// The most values of a file, for lists of lists cost more than their bytes.
    static final int MAX_VALUES = 20_000;

    /// The most characters of a text to which `+=` adds: more than the longest command line of a kernel.
    static final int MAX_TEXT = 1 << 16;

    private final Map<String, XlSetting> settings = new LinkedHashMap<>();
    private final List<String> warnings = new ArrayList<>();
    private int values;

    private XlCfg() {}

    /// Reads a file and what follows it on the command line.
    ///
    /// @param source the file's name, for messages
    /// @param file its bytes
    /// @param overrides `NAME=VALUE` each, in the file's syntax; they come after it
    /// @throws XlCfgException if one of them cannot be read
    public static XlCfg parse(String source, byte[] file, List<String> overrides)
            throws XlCfgException {
        if (file.length > MAX_BYTES) {
            throw new XlCfgException(source, "more than " + MAX_BYTES + " bytes");
        }
        XlCfg cfg = new XlCfg();
        cfg.read(source, new String(file, StandardCharsets.ISO_8859_1));
        byte[] further = String.join("\n", overrides).getBytes(StandardCharsets.UTF_8);
        cfg.read(COMMAND_LINE, new String(further, StandardCharsets.ISO_8859_1));
        return cfg;
    }

    /// All settings, in the order of the names' first places.
    List<XlSetting> all() {
        return List.copyOf(settings.values());
    }

    /// The setting of a name, or null.
    @Nullable XlSetting find(String name) {
        return settings.get(name);
    }

    /// Lines about what is allowed but looks like a mistake.
    List<String> warnings() {
        return List.copyOf(warnings);
    }

    private void read(String source, String text) throws XlCfgException {
        XlLexer lexer = new XlLexer(source, text);
        XlToken token = lexer.take();
        while (token.kind() != Kind.END) {
            if (token.kind() == Kind.NAME) {
                assignment(source, lexer, token);
            } else if (!token.endsStatement()) {
                throw wrong(source, token, "a setting's name is needed, not " + token.shown());
            }
            token = lexer.take();
        }
    }

    private void assignment(String source, XlLexer lexer, XlToken name) throws XlCfgException {
        XlToken operator = lexer.take();
        if (operator.kind() != Kind.ASSIGN && operator.kind() != Kind.ADD) {
            throw wrong(source, name, "'%s' needs a = after it".formatted(name.text()));
        }
        XlValue value = value(source, lexer, lexer.take(), 0);
        XlToken end = lexer.take();
        if (!end.endsStatement()) {
            throw wrong(
                    source,
                    end,
                    "unexpected %s after the value of '%s'".formatted(end.shown(), name.text()));
        }
        XlSetting before = settings.get(name.text());
        XlPlace place = new XlPlace(source, name.line());
        if (operator.kind() == Kind.ADD && before != null) {
            value = sum(before.value(), value, place);
        } else if (before != null && before.place().source().equals(source)) {
            warnings.add(
                    "%s: warning: %s is set again; the value of line %d does not count"
                            .formatted(place, name.text(), before.place().line()));
        }
        settings.put(name.text(), new XlSetting(name.text(), value, place));
    }

    private XlValue value(String source, XlLexer lexer, XlToken first, int depth)
            throws XlCfgException {
        if (++values > MAX_VALUES) {
            throw wrong(source, first, "more than " + MAX_VALUES + " values");
        }
        return switch (first.kind()) {
            case STRING, NUMBER -> new XlValue.Text(first.text());
            case OPEN -> list(source, lexer, first, depth + 1);
            case NAME ->
                    throw wrong(source, first, "text has quotes: \"%s\"".formatted(first.text()));
            case ASSIGN, ADD, COMMA, CLOSE, SEMICOLON, NEWLINE, END ->
                    throw wrong(source, first, "a value is needed, not " + first.shown());
        };
    }

    /// Reads a list from behind its bracket. It may have newlines anywhere, and a comma at its end.
    private XlValue list(String source, XlLexer lexer, XlToken open, int depth)
            throws XlCfgException {
        if (depth > MAX_DEPTH) {
            throw wrong(source, open, "lists within lists, deeper than " + MAX_DEPTH);
        }
        List<XlValue> members = new ArrayList<>();
        XlToken token = afterNewlines(lexer);
        while (token.kind() != Kind.CLOSE) {
            members.add(value(source, lexer, token, depth));
            token = afterNewlines(lexer);
            if (token.kind() == Kind.COMMA) {
                token = afterNewlines(lexer);
            } else if (token.kind() != Kind.CLOSE) {
                throw wrong(source, token, "a list needs a comma or ], not " + token.shown());
            }
        }
        return new XlValue.Items(members);
    }

    private static XlToken afterNewlines(XlLexer lexer) throws XlCfgException {
        XlToken token = lexer.take();
        while (token.kind() == Kind.NEWLINE) {
            token = lexer.take();
        }
        return token;
    }

    private static XlValue sum(XlValue before, XlValue added, XlPlace place) throws XlCfgException {
        if (before instanceof XlValue.Text(String first)
                && added instanceof XlValue.Text(String second)) {
            if (first.length() + second.length() > MAX_TEXT) {
                throw new XlCfgException(place, "a text of more than " + MAX_TEXT + " characters");
            }
            return new XlValue.Text(first + second);
        }
        if (before instanceof XlValue.Items(List<XlValue> first)
                && added instanceof XlValue.Items(List<XlValue> second)) {
            List<XlValue> all = new ArrayList<>(first);
            all.addAll(second);
            return new XlValue.Items(all);
        }
        throw new XlCfgException(place, "+= cannot add a list to a text, or a text to a list");
    }

    private static XlCfgException wrong(String source, XlToken token, String reason) {
        return new XlCfgException(new XlPlace(source, token.line()), reason);
    }
}
