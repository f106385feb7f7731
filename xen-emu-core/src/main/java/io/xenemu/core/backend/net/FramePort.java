package io.xenemu.core.backend.net;

import io.xenemu.kvm.file.IoVectors;

/// The host's end of one queue. Each frame has a [VnetHeader] in front. Calls do not wait; results are as those of
/// [io.xenemu.kvm.net.Tap].
interface FramePort {
    /// Whether there is room for a frame. If not, the descriptor becomes readable when there is.
    boolean canSend();

    /// Gives the host a frame, whose bytes are copied before this returns. May come after [#canSend] has said so once.
    ///
    /// @return bytes, or a negated errno
    long send(IoVectors frame);

    /// Passes on what [#send] has gathered, as far as the host takes it now.
    ///
    /// @return whether the host has taken any
    boolean flush();

    /// Takes the next frame for the guest.
    ///
    /// @return bytes stored, or a negated errno: EAGAIN there is none
    long receive(IoVectors frame);
}
