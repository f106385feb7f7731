package io.xenemu.core.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/// The refusal of a command line that picocli has parsed, and that is wrong all the same.
final class WrongUse {
    private WrongUse() {}

    /// @param command that picocli has given to the object that refuses
    /// @param message one line for the user
    /// @throws IllegalStateException if nothing was parsed
    static ParameterException of(@Nullable CommandSpec command, String message) {
        if (command == null) {
            throw new IllegalStateException("not a parsed command");
        }
        return new ParameterException(command.commandLine(), message);
    }
}
