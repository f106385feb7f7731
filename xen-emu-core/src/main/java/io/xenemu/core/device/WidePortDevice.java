package io.xenemu.core.device;

/// A device behind I/O ports to which the width of an access matters. Any vCPU's thread may call it.
public interface WidePortDevice {
    /// Handles a guest's read of `size` bytes (1, 2 or 4) from `port`; the result is in the low bits.
    int read(int port, int size);

    /// Handles a guest's write of the low `size` bytes (1, 2 or 4) of `value` to `port`; the other bits are 0.
    void write(int port, int size, int value);
}
