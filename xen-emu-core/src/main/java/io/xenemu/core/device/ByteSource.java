package io.xenemu.core.device;

/// Gives input that was typed for a guest. Never blocks.
@FunctionalInterface
public interface ByteSource {
    /// Never gives anything.
    ByteSource NONE = (bytes, offset, length) -> 0;

    /// Moves up to `length` bytes to `bytes` from `offset` on, and returns how many.
    int poll(byte[] bytes, int offset, int length);
}
