package io.xenemu.core.backend.console;

import io.xenemu.core.device.ConsoleState;
import io.xenemu.core.toolstack.ConsoleSpec;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The saved state of a further console: what it is, what nobody has taken yet, and the guest's connection. The ring is
/// in guest memory, and is saved with that.
///
/// @param spec with the console's number; its terminal is made anew
/// @param output that the host's end has not taken: the newest, up to [ConsoleHost#SAVED_OUTPUT]
/// @param input that the guest has not taken, up to [ConsoleHost#SAVED_INPUT]
/// @param connection null if no guest is connected
record ConsoleDeviceState(
        ConsoleSpec spec, List<Byte> output, List<Byte> input, @Nullable Connection connection) {
    ConsoleDeviceState {
        output = List.copyOf(output);
        input = List.copyOf(input);
    }

    /// The state of a console that was not saved.
    static ConsoleDeviceState ofNew(ConsoleSpec spec) {
        return new ConsoleDeviceState(spec, List.of(), List.of(), null);
    }

    /// A guest's connection.
    ///
    /// @param ref grant of the ring's page
    /// @param port the guest's event channel
    record Connection(int ref, int port, ConsoleState.Ring ring) {}
}
