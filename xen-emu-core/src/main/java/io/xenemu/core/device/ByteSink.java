package io.xenemu.core.device;

/// Takes what a guest prints. Never blocks: a vCPU's thread may call.
@FunctionalInterface
public interface ByteSink {
    /// Takes everything and forgets it.
    ByteSink DISCARD = (bytes, offset, length) -> length;

    /// Takes some of `length` bytes from `offset` on, and says how many: 0 to `length`. The caller keeps the rest until it
    /// learns of new room.
    int offer(byte[] bytes, int offset, int length);
}
