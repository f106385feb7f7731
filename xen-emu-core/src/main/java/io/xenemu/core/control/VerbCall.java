package io.xenemu.core.control;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.json.Json;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A request for a [Verb], with arguments that fit it.
public final class VerbCall {
    private final Verb verb;
    private final Map<String, List<String>> arguments;

    private final ControlCommands.Progress progress;

    private VerbCall(
            Verb verb, Map<String, List<String>> arguments, ControlCommands.Progress progress) {
        this.verb = verb;
        this.arguments = arguments;
        this.progress = progress;
    }

    /// Matches the arguments of a request with those of its verb.
    ///
    /// @param given a list of words, or an object with the arguments by name
    /// @throws Refused if they do not fit
    static VerbCall of(Verb verb, Json given) throws Refused {
        return new VerbCall(
                verb,
                switch (given) {
                    case Json.Array(var words) -> inOrder(verb, texts(verb, words));
                    case Json.Obj(var members) -> byName(verb, members);
                    default -> throw misused(verb);
                },
                _ -> {});
    }

    /// This call, with its progress told to `further`.
    VerbCall telling(ControlCommands.Progress further) {
        return new VerbCall(verb, arguments, further);
    }

    /// Tells the client how far the work is.
    void tell(Json.Obj done) {
        progress.tell(done);
    }

    /// Tells the client how far long work is.
    void tell(WorkProgress work) {
        tell(Json.EMPTY.with("done", work.done()).with("total", work.total()));
    }

    private static Map<String, List<String>> inOrder(Verb verb, List<String> words) throws Refused {
        Map<String, List<String>> arguments = new HashMap<>();
        int next = 0;
        for (VerbArgument argument : verb.arguments()) {
            int left = words.size() - next;
            int taken =
                    switch (argument.count()) {
                        case ONE -> 1;
                        case OPTIONAL -> Math.min(left, 1);
                        case SOME, SETTINGS -> Math.max(left, 1);
                        case NAMED -> isNext(words, next, argument) ? Math.max(left, 2) : 0;
                        case FLAG, WAIT -> isNext(words, next, argument) ? 1 : 0;
                    };
            if (taken > left) {
                throw misused(verb);
            }
            int from = argument.count() == VerbArgument.Count.NAMED ? next + 1 : next;
            if (taken > 0) {
                arguments.put(argument.name(), List.copyOf(words.subList(from, next + taken)));
            }
            next += taken;
        }
        if (next < words.size()) {
            throw misused(verb);
        }
        return arguments;
    }

    private static boolean isNext(List<String> words, int next, VerbArgument argument) {
        return next < words.size() && words.get(next).equals(argument.name());
    }

    private static Map<String, List<String>> byName(Verb verb, Map<String, Json> members)
            throws Refused {
        Map<String, List<String>> arguments = new HashMap<>();
        Set<String> unknown = new HashSet<>(members.keySet());
        for (VerbArgument argument : verb.arguments()) {
            unknown.remove(argument.name());
            List<String> words = words(verb, argument, members.get(argument.name()));
            if (!words.isEmpty()) {
                arguments.put(argument.name(), words);
            }
        }
        if (!unknown.isEmpty()) {
            throw misused(verb);
        }
        return arguments;
    }

    private static List<String> words(Verb verb, VerbArgument argument, @Nullable Json given)
            throws Refused {
        List<String> words =
                switch (given) {
                    case null -> List.of();
                    case Json.Bool(var set) when argument.isFlag() ->
                            set ? List.of(argument.name()) : List.of();
                    case Json.Array(var values)
                            when argument.count() == VerbArgument.Count.SOME
                                    || argument.count() == VerbArgument.Count.NAMED ->
                            texts(verb, values);
                    case Json.Obj(var members)
                            when argument.count() == VerbArgument.Count.SETTINGS ->
                            settings(verb, members);
                    default -> List.of(text(verb, given));
                };
        if (words.isEmpty() && argument.isRequired()) {
            throw misused(verb);
        }
        return words;
    }

    private static List<String> settings(Verb verb, Map<String, Json> members) throws Refused {
        List<String> words = new ArrayList<>();
        for (var member : members.entrySet()) {
            List<Json> values =
                    member.getValue() instanceof Json.Array(var all)
                            ? all
                            : List.of(member.getValue());
            for (String value : texts(verb, values)) {
                words.add(member.getKey() + "=" + value);
            }
        }
        return words;
    }

    private static List<String> texts(Verb verb, List<Json> values) throws Refused {
        List<String> texts = new ArrayList<>();
        for (Json value : values) {
            texts.add(text(verb, value));
        }
        return texts;
    }

    private static String text(Verb verb, Json value) throws Refused {
        return switch (value) {
            case Json.Text(var text) -> text;
            case Json.Int(var number) -> Long.toString(number);
            case Json.Bool(var truth) -> Boolean.toString(truth);
            case Json.Null _, Json.Array _, Json.Obj _ -> throw misused(verb);
        };
    }

    private static Refused misused(Verb verb) {
        return new Refused(Refused.Kind.NOT_A_COMMAND, "the arguments do not fit: " + verb.usage());
    }

    /// A word that the verb requires.
    String one(String argument) {
        return all(argument).getFirst();
    }

    /// A word that the verb requires, as a path on the service's host.
    ///
    /// @throws Refused if it is none, or relative: the service has another working directory
    Path absolutePath(String argument) throws Refused {
        String name = one(argument);
        try {
            Path file = Path.of(name);
            if (file.isAbsolute()) {
                return file;
            }
        } catch (InvalidPathException e) {
            throw new Refused("'" + name + "' is not a path: " + e.getReason());
        }
        throw new Refused("'" + name + "' is not an absolute path");
    }

    /// A word that may be left out, or null.
    @Nullable String find(String argument) {
        List<String> words = all(argument);
        return words.isEmpty() ? null : words.getFirst();
    }

    /// All words of an argument.
    List<String> all(String argument) {
        return arguments.getOrDefault(argument, Collections.emptyList());
    }

    /// Whether a flag is set.
    boolean has(String flag) {
        return arguments.containsKey(flag);
    }

    /// Whether it waits for guests to do their part, without a time limit.
    boolean waits() {
        return verb.effect() == Verb.Effect.CHANGES_SLOWLY
                || verb.arguments().stream()
                        .anyMatch(argument ->
                                argument.count() == VerbArgument.Count.WAIT
                                        && has(argument.name()));
    }
}
