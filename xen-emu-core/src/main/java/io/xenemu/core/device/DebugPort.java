package io.xenemu.core.device;

import java.util.List;

/// Xen's debug port of HVM guests (`XEN_HVM_DEBUGCONS_IOPORT`): characters written to it are text for an operator.
/// Linux uses it before it can use the hypercall for that. A read sees nothing.
public final class DebugPort implements PortDevice {
    private static final int PORT = 0xe9;

    private final GuestLog log;

    /// @param log takes the characters
    public DebugPort(GuestLog log) {
        this.log = log;
    }

    /// The ports of this device, for a [PortBus].
    public List<PortBus.Range> ranges() {
        return List.of(new PortBus.Range(PORT, PORT, this));
    }

    @Override
    public int read(int port) {
        return PortBus.NOT_DRIVEN;
    }

    @Override
    public void write(int port, int value) {
        log.write(value);
    }
}
