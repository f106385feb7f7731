package io.xenemu.core.domain;

import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;

/// A part made of single methods, where a class of its own would be too much.
///
/// @param stop see [Part#quiesce]
/// @param goOn see [Part#resume]
/// @param blocked see [Part#blocker]
/// @param state see [Part#save]
/// @param end see [Part#close]
public record OwnPart(
        String name,
        Runnable stop,
        Runnable goOn,
        Function<SaveScope, Optional<String>> blocked,
        Supplier<PartState> state,
        Runnable end)
        implements Part {
    /// Does nothing: nothing is ever under way, or nothing is to be done.
    public static final Runnable NOTHING = () -> {};

    /// Never blocks a save.
    public static final Function<SaveScope, Optional<String>> NEVER = _ -> Optional.empty();

    /// A part that runs on the threads of the parts above it, can always be saved, and needs no end of its own.
    public static OwnPart passive(String name, Supplier<PartState> state) {
        return new OwnPart(name, NOTHING, NOTHING, NEVER, state, NOTHING);
    }

    /// A part that runs on the threads of the parts above it, can always be saved, and has an end of its own.
    static OwnPart passive(String name, Supplier<PartState> state, Runnable end) {
        return new OwnPart(name, NOTHING, NOTHING, NEVER, state, end);
    }

    /// A passive part that is not always saved, whatever the save covers.
    ///
    /// @param blocked see [Part#blocker]
    public static OwnPart blocking(
            String name, Supplier<Optional<String>> blocked, Supplier<PartState> state) {
        return blocking(name, _ -> blocked.get(), state);
    }

    /// A passive part that is not always saved.
    ///
    /// @param blocked see [Part#blocker]
    public static OwnPart blocking(
            String name, Function<SaveScope, Optional<String>> blocked, Supplier<PartState> state) {
        return new OwnPart(name, NOTHING, NOTHING, blocked, state, NOTHING);
    }

    /// A passive part that can never be saved.
    ///
    /// @param reason one line for an operator
    public static OwnPart unsaved(String name, String reason) {
        return blocking(
                name,
                () -> Optional.of(reason),
                () -> {
                    throw new IllegalStateException("saved in spite of: " + reason);
                });
    }

    @Override
    public void quiesce() {
        stop.run();
    }

    @Override
    public void resume() {
        goOn.run();
    }

    @Override
    public Optional<String> blocker(SaveScope scope) {
        return blocked.apply(scope);
    }

    @Override
    public PartState save() {
        return state.get();
    }

    @Override
    public void close() {
        end.run();
    }
}
