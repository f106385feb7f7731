package io.xenemu.core.control;

import io.xenemu.core.json.Json;
import io.xenemu.core.toolstack.Refused;

/// The commands that a [ControlSocket] serves.
public interface ControlCommands {
    /// Finds the command of a request, which is not yet carried out. Several threads call it at a time.
    ///
    /// @throws Refused when there is none
    Command find(ControlRequest request) throws Refused;

    /// A command with its arguments.
    ///
    /// @param effect its effect on the service
    /// @param waits whether it waits for guests to end, without a time limit
    /// @param work carries it out
    record Command(Verb.Effect effect, boolean waits, Work work) {
        /// Whether it may last without a limit.
        boolean isLong() {
            return waits || effect == Verb.Effect.SESSION;
        }
    }

    /// Carries out a command.
    interface Work {
        /// Does the work.
        ///
        /// @throws Refused when it cannot be done
        /// @throws InterruptedException when the client has gone, or the service ends
        ControlReply carryOut(Progress progress) throws Refused, InterruptedException;
    }

    /// Takes the progress of a long command.
    interface Progress {
        /// Tells the client. Does nothing if the client has gone.
        void tell(Json.Obj progress);
    }
}
