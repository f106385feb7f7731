package io.xenemu.core.control;

import java.util.Locale;

/// One argument of a [Verb].
///
/// @param name lower case; the key in a request that names its arguments, and the word of a flag
/// @param count the number of words that it takes
public record VerbArgument(String name, Count count) {
    /// The number of words of an argument.
    public enum Count {
        /// One word.
        ONE,
        /// One word, or none at the end of the request.
        OPTIONAL,
        /// All remaining words, at least one.
        SOME,
        /// All words after its own name, at least one; or nothing.
        NAMED,
        /// All remaining words, NAME=VALUE each, at least one.
        SETTINGS,
        /// Its own name, or nothing.
        FLAG,
        /// A flag that makes the request last until guests have ended.
        WAIT
    }

    static VerbArgument one(String name) {
        return new VerbArgument(name, Count.ONE);
    }

    static VerbArgument optional(String name) {
        return new VerbArgument(name, Count.OPTIONAL);
    }

    static VerbArgument some(String name) {
        return new VerbArgument(name, Count.SOME);
    }

    /// @param name the word before them, such as `with`
    static VerbArgument named(String name) {
        return new VerbArgument(name, Count.NAMED);
    }

    static VerbArgument settings(String name) {
        return new VerbArgument(name, Count.SETTINGS);
    }

    static VerbArgument flag(String name) {
        return new VerbArgument(name, Count.FLAG);
    }

    /// The flag of verbs that can wait for guests.
    static VerbArgument waitFlag() {
        return new VerbArgument("wait", Count.WAIT);
    }

    /// Whether it is only set or not set, without a value.
    boolean isFlag() {
        return count == Count.FLAG || count == Count.WAIT;
    }

    /// Whether a request must have it.
    boolean isRequired() {
        return count == Count.ONE || count == Count.SOME || count == Count.SETTINGS;
    }

    /// Its form in the usage: capitals stand for a word of the operator's choice, brackets for a part that may be left
    /// out.
    String usage() {
        return switch (count) {
            case ONE -> name.toUpperCase(Locale.ROOT);
            case OPTIONAL -> '[' + name.toUpperCase(Locale.ROOT) + ']';
            case SOME -> name.toUpperCase(Locale.ROOT) + "...";
            case NAMED -> '[' + name + " DOMAIN...]";
            case SETTINGS -> "NAME=VALUE...";
            case FLAG, WAIT -> '[' + name + ']';
        };
    }
}
