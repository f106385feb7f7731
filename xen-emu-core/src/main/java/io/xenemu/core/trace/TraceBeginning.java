package io.xenemu.core.trace;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HeldState;
import java.util.Optional;

/// The domain's state at the beginning of a trace, from which a replay goes on.
///
/// @param state frames of [HeldState]; empty if the trace has none
/// @param obstacle why there is none, for an operator; empty if there is one
public record TraceBeginning(State state, String obstacle) {
    /// Bytes that never change.
    ///
    /// @param frames the bytes
    @SuppressWarnings("ArrayRecordComponent")
    public record State(byte[] frames) {}

    private static final State NONE = new State(new byte[0]);

    /// The beginning of a trace of a domain whose vCPUs run: nothing stops them, so nobody can look at their state.
    public static final TraceBeginning RUNNING =
            none("the domain was running when the trace began; begin with 'pause' or 'create -p'");

    /// A beginning without state.
    static TraceBeginning none(String obstacle) {
        return new TraceBeginning(NONE, obstacle);
    }

    /// The beginning of a trace of a domain whose vCPUs are held until the trace records.
    public static TraceBeginning ofHeld(Domain domain) {
        Optional<String> obstacle = HeldState.obstacle(domain);
        if (obstacle.isPresent()) {
            return none("when the trace began: " + obstacle.get());
        }
        byte[] frames = HeldState.take(domain);
        return frames.length > TraceFile.MAX_STATE
                ? none("the domain's state has %d bytes".formatted(frames.length))
                : new TraceBeginning(new State(frames), "");
    }
}
