package io.xenemu.core.device;

/// A device behind I/O ports that are 8 bits wide, as all devices of the ISA era are. Any vCPU's thread calls it.
public interface PortDevice {
    /// What the guest reads from `port`, 0 to 0xff.
    int read(int port);

    /// The guest writes `value`, 0 to 0xff, to `port`.
    void write(int port, int value);
}
