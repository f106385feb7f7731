package io.xenemu.core.control;

import java.util.List;
import java.util.function.Function;

/// Commands of a test: every request is one. A request that ends with `wait` waits.
///
/// @param replies the reply to a request's words, with blanks between them
public record TestCommands(Function<String, ControlReply> replies) implements ControlCommands {
    @Override
    public Command find(List<String> words) {
        return new Command(
                Verb.Effect.CHANGES,
                !words.isEmpty() && words.getLast().equals("wait"),
                () -> replies.apply(String.join(" ", words)));
    }
}
