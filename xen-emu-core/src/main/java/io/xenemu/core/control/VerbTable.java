package io.xenemu.core.control;

import io.xenemu.core.toolstack.Refused;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// All verbs, by name. A new one is a row in its family's list with a handler beside it, and a subcommand of `xen-emu`.
public final class VerbTable implements ControlCommands {
    /// Every verb, in the order of the documents.
    public static final List<Verb> ALL =
            Stream.of(
                            GuestCommands.VERBS,
                            DomainCommands.VERBS,
                            DebugCommands.VERBS,
                            DeviceCommands.VERBS)
                    .flatMap(List::stream)
                    .toList();

    private static final Map<String, Verb> BY_NAME =
            ALL.stream().collect(Collectors.toUnmodifiableMap(Verb::name, Function.identity()));

    private final OperatedService service;

    /// @param service what the verbs work on
    public VerbTable(OperatedService service) {
        this.service = service;
    }

    @Override
    public Command find(List<String> words) throws Refused {
        @Nullable Verb verb = words.isEmpty() ? null : BY_NAME.get(words.getFirst());
        if (verb == null) {
            throw notACommand(words, "");
        }
        if (verb.service() == Verb.Service.DAEMON && service.hosted() == null) {
            throw notACommand(words, "only a daemon does that");
        }
        VerbCall call = VerbCall.of(verb, words.subList(1, words.size()));
        return new Command(
                verb.effect(), call.waits(), () -> verb.handler().carryOut(service, call));
    }

    /// @param hint why, or an empty string
    static Refused notACommand(List<String> words, String hint) {
        String asked = "not a command: " + String.join(" ", words);
        String reason = hint.isEmpty() ? asked : asked + " (" + hint + ")";
        return new Refused(Refused.Kind.NOT_A_COMMAND, reason);
    }
}
