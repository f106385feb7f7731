package io.xenemu.core.device;

import java.util.List;

/// The ports with which PV drivers ask Xen's device model to remove emulated disks and network cards (Xen
/// docs/misc/hvm-emulated-unplug.pandoc). There are no emulated ones here, so writes have no effect. But without a
/// device at these ports, a guest complains at every boot or does not use its PV drivers.
public final class UnplugPorts implements PortDevice {
    private static final int MAGIC_PORT = 0x10;
    private static final int VERSION_PORT = 0x12;
    private static final int LAST_PORT = 0x13;

    /// XEN_IOPORT_MAGIC_VAL, 16 bits at [#MAGIC_PORT].
    private static final int MAGIC = 0x49d2;

    /// The protocol version in which a driver also reports its number, and reads the magic again.
    private static final int VERSION = 1;

    /// The ports of this device, for a [PortBus].
    public List<PortBus.Range> ranges() {
        return List.of(new PortBus.Range(MAGIC_PORT, LAST_PORT, this));
    }

    @Override
    public int read(int port) {
        return switch (port) {
            case MAGIC_PORT -> MAGIC & 0xff;
            case MAGIC_PORT + 1 -> MAGIC >> 8;
            case VERSION_PORT -> VERSION;
            default -> 0;
        };
    }

    @Override
    public void write(int port, int value) {}
}
