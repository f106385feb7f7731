package io.xenemu.core.backend.net;

import io.xenemu.kvm.file.IoVectors;

/// The host's end of one queue. Each frame has a [VnetHeader] in front. Calls do not wait; results are as those of
/// [io.xenemu.kvm.net.Tap].
interface FramePort {
    /// Gives the host a frame, whose bytes are copied before this returns.
    ///
    /// @return bytes, or a negated errno
    long send(IoVectors frame);

    /// Takes the next frame for the guest.
    ///
    /// @return bytes stored, or a negated errno: EAGAIN there is none
    long receive(IoVectors frame);
}
