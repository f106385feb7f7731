package io.xenemu.core.backend.ring;

import com.google.errorprone.annotations.Immutable;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;

/// The saved state of a back end's side of a ring: its own indices. The slots are in the guest's memory, and are saved
/// with that. The guest can write other indices to the page, which have no effect.
///
/// @param taken requests taken, since the ring began; wraps
/// @param answered answers that the front end may read; wraps
/// @param broken whether the guest has broken the ring's rules
@Immutable
public record RingState(int taken, int answered, boolean broken) {
    /// The same ring for a back end that answers in order: it takes again what it has not answered.
    public RingState takenAgain() {
        return new RingState(answered, answered, broken);
    }

    /// The number of requests taken and not answered.
    public int unanswered() {
        return taken - answered;
    }

    /// Writes it: taken u32; answered u32; broken.
    public void encode(BodyWriter body) {
        body.u32(taken).u32(answered).bool(broken);
    }

    /// Reads what [#encode] has written.
    ///
    /// @throws WireException if there is no such state
    public static RingState decode(BodyReader body) throws WireException {
        return new RingState(body.u32(), body.u32(), body.bool());
    }
}
