package io.xenemu.core.json;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads [Json] from one line, strictly. Numbers are whole and have 64 bits. Nothing nests deeper than [#MAX_DEPTH].
/// The caller bounds the length of the line.
public final class JsonReader {
    /// The deepest nesting of lists and objects; the protocol itself has four levels.
    public static final int MAX_DEPTH = 16;

    private static final int HEX = 16;
    private static final int UNICODE_DIGITS = 4;

    private final String text;
    private int at;

    private JsonReader(String text) {
        this.text = text;
    }

    /// Reads the only value of a line.
    ///
    /// @throws JsonException if it is not one
    public static Json read(String line) throws JsonException {
        JsonReader reader = new JsonReader(line);
        Json value = reader.value(0);
        if (reader.next() >= 0) {
            throw reader.wrong("more than one value");
        }
        return value;
    }

    private JsonException wrong(String reason) {
        return new JsonException(reason, at);
    }

    /// The next character that is no blank, or -1 at the end. Does not consume it.
    private int next() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : -1;
    }

    private boolean take(char expected) {
        if (next() != expected) {
            return false;
        }
        at++;
        return true;
    }

    private void need(char expected) throws JsonException {
        if (!take(expected)) {
            throw wrong("no '" + expected + "'");
        }
    }

    private Json value(int depth) throws JsonException {
        if (depth > MAX_DEPTH) {
            throw wrong("more than " + MAX_DEPTH + " levels");
        }
        int first = next();
        return switch (first) {
            case '{' -> object(depth);
            case '[' -> array(depth);
            case '"' -> new Json.Text(string());
            case 't' -> word("true", new Json.Bool(true));
            case 'f' -> word("false", new Json.Bool(false));
            case 'n' -> word("null", new Json.Null());
            default -> number();
        };
    }

    private Json word(String word, Json value) throws JsonException {
        if (!text.startsWith(word, at)) {
            throw wrong("no value");
        }
        at += word.length();
        return value;
    }

    private Json object(int depth) throws JsonException {
        need('{');
        Map<String, Json> members = new LinkedHashMap<>();
        if (take('}')) {
            return new Json.Obj(members);
        }
        do {
            if (next() != '"') {
                throw wrong("no member");
            }
            String name = string();
            need(':');
            if (members.put(name, value(depth + 1)) != null) {
                throw wrong("a second member '" + name + "'");
            }
        } while (take(','));
        need('}');
        return new Json.Obj(members);
    }

    private Json array(int depth) throws JsonException {
        need('[');
        List<Json> values = new ArrayList<>();
        if (take(']')) {
            return new Json.Array(values);
        }
        do {
            values.add(value(depth + 1));
        } while (take(','));
        need(']');
        return new Json.Array(values);
    }

    private Json number() throws JsonException {
        int start = at;
        if (at < text.length() && text.charAt(at) == '-') {
            at++;
        }
        int digits = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        if (at == digits) {
            throw wrong("no value");
        }
        boolean padded = text.charAt(digits) == '0' && at > digits + 1;
        boolean fraction = at < text.length() && ".eE".indexOf(text.charAt(at)) >= 0;
        if (padded || fraction) {
            throw wrong("not a whole number");
        }
        try {
            return new Json.Int(Long.parseLong(text, start, at, 10));
        } catch (NumberFormatException e) {
            throw wrong("a number of more than 64 bits");
        }
    }

    private String string() throws JsonException {
        need('"');
        StringBuilder value = new StringBuilder();
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c == '"') {
                checkPairs(value);
                return value.toString();
            }
            if (c < ' ') {
                throw wrong("a control character in a string");
            }
            value.append(c == '\\' ? escaped() : c);
        }
        throw wrong("a string without an end");
    }

    private char escaped() throws JsonException {
        char c = at < text.length() ? text.charAt(at++) : ' ';
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> unicode();
            default -> throw wrong("an unknown escape");
        };
    }

    private char unicode() throws JsonException {
        int end = at + UNICODE_DIGITS;
        if (end > text.length()) {
            throw wrong("an unknown escape");
        }
        int value = 0;
        for (; at < end; at++) {
            char c = text.charAt(at);
            // Only ASCII digits: Character.digit also takes those of other scripts.
            int digit = c < 128 ? Character.digit(c, HEX) : -1;
            if (digit < 0) {
                throw wrong("an unknown escape");
            }
            value = value * HEX + digit;
        }
        return (char) value;
    }

    /// Refuses half a surrogate pair, which could not be written again.
    private void checkPairs(StringBuilder value) throws JsonException {
        for (int i = 0; i < value.length(); i++) {
            if (Character.isHighSurrogate(value.charAt(i))
                    && i + 1 < value.length()
                    && Character.isLowSurrogate(value.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(value.charAt(i))) {
                throw wrong("half a character");
            }
        }
    }
}
