package io.xenemu.core.guest;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.ByteSource;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.PowerControl;
import io.xenemu.core.device.PowerPorts;
import io.xenemu.core.device.Serial8250;
import io.xenemu.core.device.UnplugPorts;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.hypervisor.ConsoleChannel;
import io.xenemu.evtchn.ServicePorts;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The devices of one boot of a guest: PV console, serial port and power registers. The host's ends of the console and
/// the serial port outlive the boot.
public final class GuestDevices {
    /// Held by a thread that moves bytes, so that [#detach] waits for it. Then the devices' memory and VM go away.
    private final ReentrantLock moving = new ReentrantLock();

    private final @Nullable HostConsole console;
    private final @Nullable HostConsole serial;
    private @Nullable Serial8250 uart;
    private @Nullable ConsoleChannel channel;
    private @Nullable Domain domain;

    /// @param console the host's end of the PV console, if any
    /// @param serial that of the serial port; if both are one, input goes to the console
    GuestDevices(@Nullable HostConsole console, @Nullable HostConsole serial) {
        this.console = console;
        this.serial = serial;
    }

    /// Makes the devices in the domain's I/O space.
    PortBus ports(Domain domain) {
        this.domain = domain;
        ByteSink output = serial == null ? ByteSink.DISCARD : serial.output();
        ByteSource input =
                serial == null || serial.equals(console) ? ByteSource.NONE : serial.input();
        Serial8250 com1 =
                new Serial8250(
                        AcpiTables.COM1_PORT,
                        output,
                        input,
                        () -> domain.pulseIrq(AcpiTables.COM1_GSI));
        uart = com1;
        domain.add(
                part(
                        "serial",
                        com1::hold,
                        com1::release,
                        "the state of its serial port cannot be saved yet"));
        List<PortBus.Range> ranges = new ArrayList<>(new PowerPorts(new Power(domain)).ranges());
        ranges.addAll(new UnplugPorts().ranges());
        ranges.add(
                new PortBus.Range(
                        AcpiTables.COM1_PORT, AcpiTables.COM1_PORT + Serial8250.PORTS - 1, com1));
        PortBus ports = new PortBus(ranges);
        domain.deviceMetrics().add(ports);
        return ports;
    }

    /// Makes the domain's PV console.
    ConsoleChannel connectConsole(Domain domain, ServicePorts servicePorts) {
        ByteSink output = console == null ? ByteSink.DISCARD : console.output();
        ByteSource input = console == null ? ByteSource.NONE : console.input();
        ConsoleChannel made = new ConsoleChannel(domain, servicePorts, output, input);
        channel = made;
        domain.add(
                part(
                        "console",
                        made::hold,
                        made::release,
                        "the state of its PV console cannot be saved yet"));
        return made;
    }

    /// A device that [#detach] ends. The threads of the host's ends notify the guest with [#moving] held.
    private OwnPart part(String name, Runnable hold, Runnable release, String blocker) {
        return new OwnPart(
                name,
                () -> {
                    moving.lock();
                    try {
                        hold.run();
                    } finally {
                        moving.unlock();
                    }
                },
                release,
                () -> new PartState.Blocked(blocker),
                OwnPart.NOTHING);
    }

    /// The host's ends, each once.
    private List<HostConsole> ends() {
        return Stream.of(Optional.ofNullable(console), Optional.ofNullable(serial))
                .flatMap(Optional::stream)
                .distinct()
                .toList();
    }

    /// Starts to move bytes between the devices and the host.
    void attach() {
        ends().forEach(end -> end.attach(this::service));
    }

    /// Makes [#detach] wait no longer for readers that do not read.
    void hurry() {
        ends().forEach(HostConsole::hurry);
    }

    /// Stops moving bytes when the readers have taken the guest's output. The host's ends wait for the next boot. When
    /// this returns, no thread touches the domain any more.
    void detach() {
        for (HostConsole end : ends()) {
            end.attach(() -> {});
            boolean more = true;
            while (more && moveRest()) {
                // Without the lock: the thread that makes room may be about to call service().
                more = end.awaitRoom();
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

    /// Moves what can be moved. A device that has failed gives nothing more.
    ///
    /// @return whether the guest had printed more
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

    /// Moves bytes. Threads of the host's ends call this too. They serve the next boot as well, so a failed device must
    /// not end them.
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
        } catch (RuntimeException | Error e) {
            failed(e);
            return false;
        } finally {
            moving.unlock();
        }
    }

    private void failed(Throwable e) {
        Domain served = domain;
        if (served == null) {
            throw new IllegalStateException("no device before its domain", e);
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
