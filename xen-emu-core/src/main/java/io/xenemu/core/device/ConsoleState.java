package io.xenemu.core.device;

import java.util.List;

/// The saved state of a PV console. Its ring is in guest memory, and is saved with that.
///
/// @param port the guest's event channel that is connected with the console; 0 for none
/// @param ring the back end's state of the ring
/// @param typed input that the guest has not taken
public record ConsoleState(int port, Ring ring, List<Byte> typed) {
    /// Checks the amount of input.
    ///
    /// @throws IllegalArgumentException if it is more than is saved
    public ConsoleState {
        typed = DeviceStateCodec.requireFew(typed);
    }

    /// The back end's own indices. The guest can write others to the page, which have no effect.
    ///
    /// @param outConsumer of the bytes from the guest
    /// @param inProducer of the bytes to it
    /// @param broken whether the guest broke the ring's rules
    public record Ring(int outConsumer, int inProducer, boolean broken) {}
}
