package io.xenemu.core.guest;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.DeviceStateCodec;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.device.IrqLine;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.PowerControl;
import io.xenemu.core.device.PowerPorts;
import io.xenemu.core.device.Serial8250;
import io.xenemu.core.device.TypedInput;
import io.xenemu.core.device.UnplugPorts;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.hypervisor.ConsoleChannel;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.wire.BodyWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The devices of one boot of a guest: PV console, serial port, power registers, and [PlatformDevices]. The host's ends
/// of the console and the serial port outlive the boot.
public final class GuestDevices {
    /// Held by a thread that moves bytes, so that [#detach] waits for it before the devices' memory and VM go away.
    private final ReentrantLock moving = new ReentrantLock();

    private final @Nullable HostConsole console;
    private final @Nullable HostConsole serial;
    private final @Nullable SavedGuest saved;
    private final PlatformSettings settings;
    private final UnplugPorts.Blacklist blacklist;
    private final @Nullable IntConsumer removal;
    private final TypedInput consoleInput;
    private final TypedInput serialInput;
    private @Nullable Serial8250 uart;

    /// Written with [#moving] held.
    private @Nullable ConsoleChannel channel;

    /// Whether the domain has had a console before.
    private boolean reconnects;

    private @Nullable Domain domain;
    private @Nullable PlatformDevices platform;

    /// @param settings of the platform of a guest that boots
    /// @param blacklist tells which of the guest's PV drivers are not to load
    /// @param removal takes the mask of emulated devices that the guest of an attached VMM wants removed; null for
    ///     another guest
    /// @param console the host's end of the PV console, if any
    /// @param serial that of the serial port; if both are one, input goes to the console
    /// @param saved the guest that is restored; null for one that boots
    GuestDevices(
            PlatformSettings settings,
            UnplugPorts.Blacklist blacklist,
            @Nullable IntConsumer removal,
            @Nullable HostConsole console,
            @Nullable HostConsole serial,
            @Nullable SavedGuest saved) {
        this.settings = settings;
        this.blacklist = blacklist;
        this.removal = removal;
        this.console = console;
        this.serial = serial;
        this.saved = saved;
        boolean isOne = serial != null && serial.equals(console);
        consoleInput = new TypedInput(saved == null ? List.of() : saved.console().typed(), console);
        serialInput =
                new TypedInput(
                        saved == null ? List.of() : saved.serial().typed(), isOne ? null : serial);
    }

    /// Makes the devices in the domain's I/O space.
    PortBus ports(Domain domain) {
        this.domain = domain;
        ByteSink output = serial == null ? ByteSink.DISCARD : serial.output();
        IrqLine irq = () -> domain.interruptLines().pulse(AcpiTables.COM1_GSI);
        int base = AcpiTables.COM1_PORT;
        Serial8250 com1 =
                saved == null
                        ? new Serial8250(base, output, serialInput, irq)
                        : new Serial8250(base, output, serialInput, irq, saved.serial());
        uart = com1;
        domain.add(
                part(
                        "serial",
                        com1::hold,
                        com1::release,
                        serialInput,
                        typed ->
                                state(
                                        DeviceStateCodec.SERIAL,
                                        DeviceStateCodec.encode(com1.save(typed)))));
        List<PortBus.Range> ranges = new ArrayList<>(new PowerPorts(new Power(domain)).ranges());
        PlatformDevices own =
                new PlatformDevices(
                        domain, settings, blacklist, removal == null ? _ -> {} : removal, saved);
        platform = own;
        ranges.addAll(own.ranges());
        ranges.add(
                new PortBus.Range(
                        AcpiTables.COM1_PORT, AcpiTables.COM1_PORT + Serial8250.PORTS - 1, com1));
        PortBus ports = new PortBus(seen(domain, ranges));
        domain.deviceMetrics().add(ports);
        return ports;
    }

    /// A guest that another hypervisor has built knows of none of these devices, and the machine of an attached VMM has
    /// its own.
    private List<PortBus.Range> seen(Domain of, List<PortBus.Range> ranges) {
        if (removal != null) {
            return platform().unplugRanges();
        }
        return of.layout().isPresent() ? List.of() : ranges;
    }

    /// The devices that have no end on the host.
    PlatformDevices platform() {
        return made(platform);
    }

    private static <T> T made(@Nullable T device) {
        if (device == null) {
            throw new IllegalStateException("no device before its domain");
        }
        return device;
    }

    /// Makes the domain's PV console. After [#disconnectConsole] it goes on in the same ring.
    ConsoleChannel connectConsole(Domain domain, ServicePorts servicePorts) {
        ByteSink output = console == null ? ByteSink.DISCARD : console.output();
        ConsoleChannel made =
                saved == null || saved.suspended().isPresent() || reconnects
                        ? new ConsoleChannel(domain, servicePorts, output, consoleInput)
                        : new ConsoleChannel(
                                domain, servicePorts, output, consoleInput, saved.console());
        connect(made);
        if (!reconnects) {
            reconnects = true;
            domain.add(
                    part(
                            "console",
                            () -> connected().hold(),
                            () -> connected().release(),
                            consoleInput,
                            typed ->
                                    state(
                                            DeviceStateCodec.CONSOLE,
                                            DeviceStateCodec.encode(connected().save(typed)))));
        }
        return made;
    }

    private ConsoleChannel connected() {
        return Objects.requireNonNull(channel);
    }

    private void connect(@Nullable ConsoleChannel next) {
        moving.lock();
        try {
            channel = next;
        } finally {
            moving.unlock();
        }
    }

    /// Ends the console's channel. Output that was not taken waits in the ring.
    void disconnectConsole() {
        ConsoleChannel last = channel;
        connect(null);
        if (last != null) {
            last.close();
        }
    }

    private static PartState state(int frameType, BodyWriter body) {
        return new PartState.Saved(frameType, DeviceStateCodec.VERSION, body);
    }

    /// A device that [#detach] ends. The threads of the host's ends notify the guest with [#moving] held.
    ///
    /// @param save makes its state from the bytes that wait in `input`
    private OwnPart part(
            String name,
            Runnable hold,
            Runnable release,
            TypedInput input,
            Function<List<Byte>, PartState> save) {
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
                _ ->
                        DeviceStateCodec.isFew(input.waiting())
                                ? Optional.empty()
                                : Optional.of("more input was typed than can be saved"),
                () -> save.apply(input.waiting()),
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
        letGo();
    }

    /// Stops moving bytes at once: what the guest has printed last is in its saved state. When this returns, no thread
    /// touches the domain any more.
    void abandon() {
        ends().forEach(end -> end.attach(() -> {}));
        letGo();
    }

    private void letGo() {
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

    /// Moves the bytes that can be moved now. A device that has failed gives nothing more.
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
        Domain served = made(domain);
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
