package io.xenemu.core.domain;

import io.xenemu.core.device.PortDevice;
import org.jspecify.annotations.NullMarked;

/// A device that does nothing.
@NullMarked
final class NoDevice implements PortDevice {
    @Override
    public int read(int port) {
        return 0;
    }

    @Override
    public void write(int port, int value) {}
}
