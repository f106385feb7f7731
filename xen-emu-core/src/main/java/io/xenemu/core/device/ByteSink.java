package io.xenemu.core.device;

/// Takes a guest's output. Never blocks, since a vCPU's thread may call it.
@FunctionalInterface
public interface ByteSink {
    /// Takes everything and drops it.
    ByteSink DISCARD = (bytes, offset, length) -> length;

    /// Takes some of `length` bytes from `offset` on, and returns how many: 0 to `length`. The caller keeps the rest
    /// until it is told of new room.
    int offer(byte[] bytes, int offset, int length);
}
