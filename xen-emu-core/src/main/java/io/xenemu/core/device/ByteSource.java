package io.xenemu.core.device;

/// Gives what was typed for a guest. Never blocks.
@FunctionalInterface
public interface ByteSource {
    /// Has nothing, ever.
    ByteSource NONE = (bytes, offset, length) -> 0;

    /// Moves up to `length` bytes to `bytes` from `offset` on, and says how many.
    int poll(byte[] bytes, int offset, int length);
}
