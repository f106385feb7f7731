package io.xenemu.core.service;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.ByteSource;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.PowerControl;
import io.xenemu.core.device.PowerPorts;
import io.xenemu.core.device.Serial8250;
import io.xenemu.core.device.StdioConsole;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.evtchn.ServicePorts;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// The devices of one boot of a guest: its PV console, its serial port and its power registers. The console or the serial
/// port or both are connected to standard input and output, which outlive the boot.
final class StdioDevices {
    /// Held by whoever moves bytes, so that [#detach] waits for them: afterwards the devices' memory and VM go away.
    private final ReentrantLock moving = new ReentrantLock();

    private final @Nullable StdioConsole stdio;
    private final boolean console;
    private final boolean serial;
    private @Nullable Serial8250 uart;
    private @Nullable ConsoleChannel channel;
    private @Nullable Domain domain;

    /// @param stdio standard input and output, or null if neither device uses them
    StdioDevices(@Nullable StdioConsole stdio, boolean console, boolean serial) {
        this.stdio = stdio;
        this.console = console;
        this.serial = serial;
    }

    /// Makes the devices in the domain's I/O space.
    PortBus ports(Domain domain) {
        this.domain = domain;
        ByteSink output = stdio != null && serial ? stdio.output() : ByteSink.DISCARD;
        ByteSource input = stdio != null && serial && !console ? stdio.input() : ByteSource.NONE;
        Serial8250 com1 =
                new Serial8250(
                        AcpiTables.COM1_PORT,
                        output,
                        input,
                        () -> domain.pulseIrq(AcpiTables.COM1_GSI));
        uart = com1;
        List<PortBus.Range> ranges = new ArrayList<>(new PowerPorts(new Power(domain)).ranges());
        ranges.add(
                new PortBus.Range(
                        AcpiTables.COM1_PORT, AcpiTables.COM1_PORT + Serial8250.PORTS - 1, com1));
        PortBus ports = new PortBus(ranges);
        domain.deviceMetrics().add(ports);
        return ports;
    }

    /// Makes the domain's PV console.
    ConsoleChannel connectConsole(Domain domain, ServicePorts servicePorts) {
        ByteSink output = stdio != null && console ? stdio.output() : ByteSink.DISCARD;
        ByteSource input = stdio != null && console ? stdio.input() : ByteSource.NONE;
        channel = new ConsoleChannel(domain, servicePorts, output, input);
        return channel;
    }

    /// Starts to move bytes between the devices and standard input and output.
    void attach() {
        if (stdio != null) {
            stdio.attach(this::service);
        }
    }

    /// Stops, once the reader of the output has taken what the guest had printed: standard input and output wait for the next
    /// boot. Nothing of the domain is touched when this has returned.
    void detach() {
        if (stdio != null) {
            stdio.attach(() -> {});
            boolean more = true;
            while (more && moveRest()) {
                // Without the lock: whoever makes room may be about to call service().
                more = stdio.awaitRoom();
            }
        }
        moving.lock();
        try {
            uart = null;
            ConsoleChannel current = channel;
            channel = null;
            if (current != null) {
                current.close();
            }
        } finally {
            moving.unlock();
        }
    }

    /// Moves what can be moved, and says whether the guest had printed more. A device that has failed gives nothing more.
    private boolean moveRest() {
        moving.lock();
        try {
            return service() && hasOutput();
        } finally {
            moving.unlock();
        }
    }

    private boolean hasOutput() {
        ConsoleChannel currentConsole = channel;
        Serial8250 currentUart = uart;
        return (currentConsole != null && currentConsole.hasOutput())
                || (currentUart != null && currentUart.hasOutput());
    }

    /// Called by the threads of standard input and output too, which serve the next boot as well and must not end with
    /// this one's devices.
    ///
    /// @return false if a device has failed
    private boolean service() {
        moving.lock();
        try {
            ConsoleChannel currentConsole = channel;
            if (currentConsole != null) {
                currentConsole.service();
            }
            Serial8250 currentUart = uart;
            if (currentUart != null) {
                currentUart.service();
            }
            return true;
        } catch (RuntimeException e) {
            failed(e);
            return false;
        } finally {
            moving.unlock();
        }
    }

    private void failed(RuntimeException e) {
        Domain served = domain;
        if (served == null) {
            throw e;
        }
        served.failed("the console of " + served.id(), e);
    }

    /// Power registers end the domain as the shutdown hypercall would.
    private record Power(Domain domain) implements PowerControl {
        @Override
        public void powerOff() {
            domain.shutdown(ShutdownReason.POWEROFF, "");
        }

        @Override
        public void reset() {
            domain.shutdown(ShutdownReason.REBOOT, "");
        }
    }
}
