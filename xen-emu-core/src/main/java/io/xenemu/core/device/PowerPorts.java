package io.xenemu.core.device;

import io.xenemu.core.boot.AcpiTables;
import java.util.List;

/// Registers with which a guest powers off or resets without Xen's shutdown hypercall. They are the ACPI sleep and
/// reset registers that the FADT names, and the keyboard controller's reset line.
public final class PowerPorts implements PortDevice {
    private static final int KEYBOARD_COMMAND = 0x64;
    private static final int KEYBOARD_PULSE_RESET = 0xfe;
    private static final int RESET_CPU = 1 << 2;
    private static final int SLEEP_ENABLE = 1 << 5;
    private static final int SLEEP_TYPE_SHIFT = 2;
    private static final int SLEEP_TYPE_MASK = 7;

    private final PowerControl control;

    public PowerPorts(PowerControl control) {
        this.control = control;
    }

    /// The ports of this device, for an [PortBus].
    public List<PortBus.Range> ranges() {
        return List.of(
                new PortBus.Range(KEYBOARD_COMMAND, KEYBOARD_COMMAND, this),
                new PortBus.Range(
                        AcpiTables.SLEEP_CONTROL_PORT, AcpiTables.SLEEP_STATUS_PORT, this),
                new PortBus.Range(AcpiTables.RESET_PORT, AcpiTables.RESET_PORT, this));
    }

    /// Returns zero: no keyboard data, which spares Linux a wait when it resets; not asleep; no reset in progress.
    @Override
    public int read(int port) {
        return 0;
    }

    @Override
    public void write(int port, int value) {
        switch (port) {
            case KEYBOARD_COMMAND -> {
                if (value == KEYBOARD_PULSE_RESET) {
                    control.reset();
                }
            }
            case AcpiTables.RESET_PORT -> {
                if ((value & RESET_CPU) != 0) {
                    control.reset();
                }
            }
            case AcpiTables.SLEEP_CONTROL_PORT -> {
                int type = (value >> SLEEP_TYPE_SHIFT) & SLEEP_TYPE_MASK;
                if ((value & SLEEP_ENABLE) != 0 && type == AcpiTables.SLEEP_TYPE_S5) {
                    control.powerOff();
                }
            }
            default -> {}
        }
    }
}
