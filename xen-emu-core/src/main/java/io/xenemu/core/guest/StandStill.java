package io.xenemu.core.guest;

import io.xenemu.core.domain.BlockedException;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.Parts;
import io.xenemu.core.domain.SaveScope;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/// Guests that stand still together while they are saved, until they go on or leave.
final class StandStill implements AutoCloseable {
    private final List<Parts> guests;
    private final long begun;
    private final List<Map<String, PartState>> states;
    private Duration time = Duration.ZERO;
    private boolean ended;

    /// Stops them, and asks for their states.
    ///
    /// @throws BlockedException if one cannot be saved; then all go on
    /// @throws io.xenemu.core.domain.StuckException if one does not stop in time; then all go on
    StandStill(List<Parts> guests, SaveScope scope) throws InterruptedException, BlockedException {
        this.guests = guests;
        Parts.requireNoBlockers(guests, scope);
        begun = System.nanoTime();
        states = Parts.quiesceAndSave(guests, scope);
    }

    /// When the first of them was stopped, by the clock of [System#nanoTime].
    long begun() {
        return begun;
    }

    /// The state of each guest's parts.
    List<Map<String, PartState>> states() {
        return states;
    }

    /// They do not go on here.
    void leave() {
        ended = true;
    }

    /// For how long they stood still, once they have gone on.
    Duration time() {
        return time;
    }

    /// Lets them go on, unless they do already, or leave.
    void goOn() {
        if (!ended) {
            ended = true;
            Parts.resume(guests);
            time = Duration.ofNanos(System.nanoTime() - begun);
        }
    }

    @Override
    public void close() {
        goOn();
    }
}
