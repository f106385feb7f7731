package io.xenemu.core.device;

/// The ports of a device that is 8 bits wide. It gets a wide access byte by byte, as far as its ports go; beyond them
/// nothing answers.
///
/// @param last its highest port
/// @param device handles each byte
record BytePorts(int last, PortDevice device) implements WidePortDevice {
    @Override
    public int read(int port, int size) {
        int value = 0;
        for (int i = size - 1; i >= 0; i--) {
            int at = port + i;
            int part = at > last ? PortBus.NOT_DRIVEN : device.read(at) & PortBus.NOT_DRIVEN;
            value = (value << 8) | part;
        }
        return value;
    }

    @Override
    public void write(int port, int size, int value) {
        for (int i = 0; i < size && port + i <= last; i++) {
            device.write(port + i, (value >>> (8 * i)) & PortBus.NOT_DRIVEN);
        }
    }
}
