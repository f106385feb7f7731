package io.xenemu.core.control;

import io.xenemu.core.toolstack.Refused;
import java.util.List;

/// The commands that a [ControlSocket] serves.
public interface ControlCommands {
    /// Finds the command of a request, which is not yet carried out. Several threads call it at a time.
    ///
    /// @throws Refused when there is none
    Command find(List<String> words) throws Refused;

    /// A command with its arguments.
    ///
    /// @param effect what it does
    /// @param waits whether it lasts until guests have ended, however long they take
    /// @param work carries it out
    record Command(Verb.Effect effect, boolean waits, Work work) {}

    /// Carries out a command.
    interface Work {
        /// Does the work.
        ///
        /// @throws Refused when it cannot be done
        /// @throws InterruptedException when the client has gone, or the service ends
        ControlReply carryOut() throws Refused, InterruptedException;
    }
}
