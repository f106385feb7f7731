package io.xenemu.core.control;

import io.xenemu.core.toolstack.Refused;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A request for a [Verb], with arguments that fit it.
public final class VerbCall {
    private final Verb verb;
    private final Map<String, List<String>> arguments;

    private VerbCall(Verb verb, Map<String, List<String>> arguments) {
        this.verb = verb;
        this.arguments = arguments;
    }

    /// Matches words with the arguments of a verb, in order.
    ///
    /// @param words what follows the verb
    /// @throws Refused if they do not fit
    static VerbCall of(Verb verb, List<String> words) throws Refused {
        Map<String, List<String>> arguments = new HashMap<>();
        int next = 0;
        for (VerbArgument argument : verb.arguments()) {
            int left = words.size() - next;
            int taken =
                    switch (argument.count()) {
                        case ONE -> 1;
                        case OPTIONAL -> Math.min(left, 1);
                        case SOME -> Math.max(left, 1);
                        case FLAG, WAIT ->
                                left > 0 && words.get(next).equals(argument.name()) ? 1 : 0;
                    };
            if (taken > left) {
                throw misused(verb, words);
            }
            if (taken > 0) {
                arguments.put(argument.name(), List.copyOf(words.subList(next, next + taken)));
            }
            next += taken;
        }
        if (next < words.size()) {
            throw misused(verb, words);
        }
        return new VerbCall(verb, arguments);
    }

    private static Refused misused(Verb verb, List<String> words) {
        List<String> all = new ArrayList<>(List.of(verb.name()));
        all.addAll(words);
        return VerbTable.notACommand(all, verb.usage());
    }

    /// The verb.
    Verb verb() {
        return verb;
    }

    /// A word that the verb requires.
    String one(String argument) {
        return all(argument).getFirst();
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

    /// Whether it lasts until guests have ended, however long they take.
    boolean waits() {
        return verb.arguments().stream()
                .anyMatch(argument ->
                        argument.count() == VerbArgument.Count.WAIT && has(argument.name()));
    }
}
