package io.xenemu.core.xlcfg;

import com.google.common.base.CharMatcher;
import io.xenemu.core.xlcfg.XlToken.Kind;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// Cuts a configuration into tokens, as xl does (`libxlu_cfg_l.l`). Comments may have any bytes, strings are UTF-8.
///
/// Two things differ from xl. A comment may end the file without a newline. Numeric escapes in strings are refused: xl
/// refuses `\xHH`, and leaves octal ones out.
final class XlLexer {
    private static final CharMatcher NAME_START = CharMatcher.inRange('a', 'z');
    private static final CharMatcher NAME =
            NAME_START.or(CharMatcher.inRange('0', '9')).or(CharMatcher.anyOf("._"));
    private static final CharMatcher DIGIT = CharMatcher.inRange('0', '9');

    /// xl's numbers: a digit, then those of decimal and hexadecimal ones.
    private static final CharMatcher NUMBER =
            DIGIT.or(CharMatcher.inRange('a', 'f')).or(CharMatcher.is('x'));

    private static final CharMatcher VISIBLE = CharMatcher.inRange('!', '~');

    /// What Python has, and a configuration has not.
    private static final CharMatcher PYTHON = CharMatcher.anyOf("+-.():");

    /// The longest name. That of xl.cfg(5) has 32.
    private static final int MAX_NAME = 64;

    private final String source;

    /// A character for each byte.
    private final String text;

    private int next;
    private int line = 1;

    /// @param source for messages
    /// @param text the bytes, each as a character of ISO 8859-1
    XlLexer(String source, String text) {
        this.source = source;
        this.text = text;
    }

    /// The next token. After the last one always [Kind#END].
    ///
    /// @throws XlCfgException if there is none
    XlToken take() throws XlCfgException {
        while (next < text.length() && (text.charAt(next) == ' ' || text.charAt(next) == '\t')) {
            next++;
        }
        if (next < text.length() && text.charAt(next) == '#') {
            int end = text.indexOf('\n', next);
            next = end < 0 ? text.length() : end;
        }
        if (next == text.length()) {
            return new XlToken(Kind.END, "", line);
        }
        char first = text.charAt(next);
        return switch (first) {
            case '\n' -> {
                XlToken end = token(Kind.NEWLINE, 1);
                line++;
                yield end;
            }
            case ',' -> token(Kind.COMMA, 1);
            case '[' -> token(Kind.OPEN, 1);
            case ']' -> token(Kind.CLOSE, 1);
            case ';' -> token(Kind.SEMICOLON, 1);
            case '=' -> token(Kind.ASSIGN, 1);
            case '\'', '"' -> string(first);
            default -> word(first);
        };
    }

    private XlToken token(Kind kind, int length) {
        XlToken token = new XlToken(kind, text.substring(next, next + length), line);
        next += length;
        return token;
    }

    private XlToken word(char first) throws XlCfgException {
        if (text.startsWith("+=", next)) {
            return token(Kind.ADD, 2);
        }
        if (NAME_START.matches(first)) {
            int length = length(NAME);
            if (length > MAX_NAME) {
                throw wrong("a name of more than " + MAX_NAME + " characters");
            }
            return token(Kind.NAME, length);
        }
        if (DIGIT.matches(first)) {
            return token(Kind.NUMBER, length(NUMBER));
        }
        throw wrong(unexpected(first));
    }

    private int length(CharMatcher matcher) {
        int end = next + 1;
        while (end < text.length() && matcher.matches(text.charAt(end))) {
            end++;
        }
        return end - next;
    }

    private static String unexpected(char first) {
        if (first == '\r') {
            return "a carriage return: lines end with a newline alone";
        }
        if (PYTHON.matches(first)) {
            return "unexpected '%s': a configuration has no Python code, and text has quotes"
                    .formatted(first);
        }
        return VISIBLE.matches(first)
                ? "unexpected '%s': names have small letters, and text has quotes".formatted(first)
                : "unexpected byte 0x%02x".formatted((int) first);
    }

    private XlToken string(char quote) throws XlCfgException {
        int begin = next;
        next++;
        StringBuilder content = new StringBuilder();
        while (next < text.length() && text.charAt(next) != quote && text.charAt(next) != '\n') {
            content.append(text.charAt(next) == '\\' ? escaped() : text.charAt(next));
            next++;
        }
        if (next == text.length() || text.charAt(next) == '\n') {
            next = begin;
            throw wrong("a string has no closing %c in its line".formatted(quote));
        }
        next++;
        return new XlToken(Kind.STRING, decoded(content.toString()), line);
    }

    /// The character for a backslash and the next one, to which it goes on.
    private char escaped() throws XlCfgException {
        next++;
        char letter = next < text.length() ? text.charAt(next) : '\n';
        return switch (letter) {
            case '"', '\'', '\\' -> letter;
            case 'a' -> '\007';
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'v' -> '\013';
            case 'x', '0', '1', '2', '3', '4', '5', '6', '7' ->
                    throw wrong("a numeric escape in a string, which xl cannot read either");
            default -> throw wrong("no such escape in a string: a backslash is \\\\");
        };
    }

    private String decoded(String bytes) throws XlCfgException {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes.getBytes(StandardCharsets.ISO_8859_1)))
                    .toString();
        } catch (CharacterCodingException e) {
            throw wrong("a string is not UTF-8");
        }
    }

    private XlCfgException wrong(String reason) {
        return new XlCfgException(new XlPlace(source, line), reason);
    }
}
