package io.xenemu.core.control;

import io.xenemu.core.toolstack.Refused;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// One row of the table of verbs ([VerbTable]): a command that an operator may send to a service.
///
/// @param name xl's name where xl has the verb
/// @param help its description for an operator, a few sentences at most, for `--help`, the man page and the documents
/// @param service which services serve it
/// @param effect its effect on the service
/// @param arguments in the order of a request's words
/// @param handler carries it out
public record Verb(
        String name,
        String help,
        Service service,
        Effect effect,
        List<VerbArgument> arguments,
        Handler handler) {
    /// The services that serve a verb.
    public enum Service {
        /// `daemon`, and `run --control-socket`.
        ANY,
        /// `daemon` alone.
        DAEMON
    }

    /// The effect of a verb on the service.
    public enum Effect {
        /// It changes nothing.
        READS,
        /// It changes something, so the log tells the user that asked.
        CHANGES,
        /// It changes something, and lasts until a guest has done its part.
        CHANGES_SLOWLY,
        /// It changes nothing, and its connection serves nothing else from then on.
        SESSION
    }

    /// Carries out a verb.
    public interface Handler {
        /// Several threads call it at a time.
        ///
        /// @throws Refused when it cannot be done
        /// @throws InterruptedException when the client has gone, or the service ends
        ControlReply carryOut(OperatedService service, VerbCall call)
                throws Refused, InterruptedException;
    }

    public Verb {
        arguments = List.copyOf(arguments);
    }

    /// A verb that every service serves, and that changes nothing.
    static Verb reads(String name, String help, Handler handler, VerbArgument... arguments) {
        return new Verb(name, help, Service.ANY, Effect.READS, List.of(arguments), handler);
    }

    /// A verb that every service serves, and that changes something.
    static Verb changes(String name, String help, Handler handler, VerbArgument... arguments) {
        return new Verb(name, help, Service.ANY, Effect.CHANGES, List.of(arguments), handler);
    }

    /// A verb that every service serves, and that lasts until a guest has done its part.
    static Verb changesSlowly(
            String name, String help, Handler handler, VerbArgument... arguments) {
        return new Verb(
                name, help, Service.ANY, Effect.CHANGES_SLOWLY, List.of(arguments), handler);
    }

    /// A verb that every service serves, and that takes the connection over.
    static Verb session(String name, String help, Handler handler, VerbArgument... arguments) {
        return new Verb(name, help, Service.ANY, Effect.SESSION, List.of(arguments), handler);
    }

    /// A verb that only a daemon serves.
    static Verb ofDaemon(
            String name, String help, Effect effect, Handler handler, VerbArgument... arguments) {
        return new Verb(name, help, Service.DAEMON, effect, List.of(arguments), handler);
    }

    /// The form of a request, such as `shutdown DOMAIN [wait]`.
    public String usage() {
        return Stream.concat(Stream.of(name), arguments.stream().map(VerbArgument::usage))
                .collect(Collectors.joining(" "));
    }
}
