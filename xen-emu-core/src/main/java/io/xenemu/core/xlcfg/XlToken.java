package io.xenemu.core.xlcfg;

/// A token of a configuration file.
///
/// @param kind what it is
/// @param text a name, the digits of a number, or a string without its quotes; otherwise as written
/// @param line where it begins
record XlToken(Kind kind, String text, int line) {
    /// The kinds of tokens.
    enum Kind {
        NAME,
        NUMBER,
        STRING,
        ASSIGN,
        ADD,
        COMMA,
        OPEN,
        CLOSE,
        SEMICOLON,
        NEWLINE,
        /// The end of the text.
        END
    }

    /// Whether a statement may end before it.
    boolean endsStatement() {
        return kind == Kind.SEMICOLON || kind == Kind.NEWLINE || kind == Kind.END;
    }

    /// The token in a message.
    String shown() {
        return switch (kind) {
            case NEWLINE -> "the end of the line";
            case END -> "the end of the file";
            case STRING -> "a string";
            case NAME, NUMBER, ASSIGN, ADD, COMMA, OPEN, CLOSE, SEMICOLON -> "'" + text + "'";
        };
    }
}
