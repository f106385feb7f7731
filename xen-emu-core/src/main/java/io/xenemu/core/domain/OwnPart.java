package io.xenemu.core.domain;

import java.util.function.Supplier;

/// A part whose methods are given one by one, for what is not a class of its own.
///
/// @param stop see [Part#quiesce]
/// @param goOn see [Part#resume]
/// @param state see [Part#save]
/// @param end see [Part#close]
public record OwnPart(
        String name, Runnable stop, Runnable goOn, Supplier<PartState> state, Runnable end)
        implements Part {
    /// Nothing is ever under way, or nothing is to be done.
    public static final Runnable NOTHING = () -> {};

    /// A part that runs on the threads of the parts above it, and needs no end of its own.
    public static OwnPart passive(String name, Supplier<PartState> state) {
        return new OwnPart(name, NOTHING, NOTHING, state, NOTHING);
    }

    /// The same with an end.
    static OwnPart passive(String name, Supplier<PartState> state, Runnable end) {
        return new OwnPart(name, NOTHING, NOTHING, state, end);
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
    public PartState save() {
        return state.get();
    }

    @Override
    public void close() {
        end.run();
    }
}
