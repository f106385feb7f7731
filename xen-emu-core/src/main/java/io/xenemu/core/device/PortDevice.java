package io.xenemu.core.device;

/// A device behind I/O ports that are 8 bits wide, as all devices of the ISA era are. Any vCPU's thread may call it.
public interface PortDevice {
    /// Handles a guest's read from `port`; the value is 0 to 0xff.
    int read(int port);

    /// Handles a guest's write of `value`, 0 to 0xff, to `port`.
    void write(int port, int value);
}
