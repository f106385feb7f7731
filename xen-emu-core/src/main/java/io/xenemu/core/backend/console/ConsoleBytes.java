package io.xenemu.core.backend.console;

import java.util.concurrent.atomic.LongAdder;

/// The bytes that a console has moved. Any thread reads them.
public final class ConsoleBytes {
    private final LongAdder output = new LongAdder();
    private final LongAdder input = new LongAdder();
    private final LongAdder lost = new LongAdder();

    /// The host's end has taken output.
    void output(int bytes) {
        output.add(bytes);
    }

    /// The guest got input.
    void input(int bytes) {
        input.add(bytes);
    }

    /// Output that nobody took was dropped.
    void lost(int bytes) {
        lost.add(bytes);
    }

    /// Output that the host's end has taken.
    public long output() {
        return output.sum();
    }

    /// Input that the guest got.
    public long input() {
        return input.sum();
    }

    /// Output that was dropped.
    public long lost() {
        return lost.sum();
    }
}
