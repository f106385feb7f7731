package io.xenemu.it.program;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import com.google.errorprone.annotations.FormatMethod;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.KernelImage;
import io.xenemu.core.device.BytePipe;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.Serial8250;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.evtchn.Virq;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// One test guest of a service, running, and its serial port.
public final class ServiceGuest implements AutoCloseable {
    private static final int INPUT_BYTES = 256;
    private static final Pattern ANSWER = Pattern.compile("=((?: -?\\d+)*)");

    private static final int XEN_VERSION = 4 << 16 | 19;

    private final Hypervisor hypervisor;
    private final Domain domain;
    private final long limitSeconds;
    private final StringBuilder printed = new StringBuilder();
    private final BytePipe input = new BytePipe(INPUT_BYTES);

    /// Starts a guest.
    ///
    /// @param name of the domain
    /// @param limitSeconds how long anything may take that is waited for
    public ServiceGuest(
            Hypervisor hypervisor,
            KernelImage kernel,
            String name,
            int vcpus,
            String commandLine,
            long limitSeconds)
            throws BootException {
        this.hypervisor = hypervisor;
        this.limitSeconds = limitSeconds;
        DomainConfig config =
                new DomainConfig(
                        name,
                        UUID.randomUUID(),
                        GuestMemoryMap.MIN_BYTES,
                        vcpus,
                        XEN_VERSION,
                        GrantLimits.defaults(),
                        EventChannelConfig.DEFAULT);
        domain =
                hypervisor.create(
                        config, kernel, List.of(), commandLine, _ -> ports(), new NoOrders());
        domain.start();
    }

    /// No operator's command reaches a domain of a program.
    private static final class NoOrders implements DomainDriver {
        @Override
        public void order(DomId domain, DomainOrder order) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void destroy() {
            throw new UnsupportedOperationException();
        }
    }

    private PortBus ports() {
        Serial8250 uart = new Serial8250(AcpiTables.COM1_PORT, this::take, input, () -> {});
        input.onData(uart::service);
        int last = AcpiTables.COM1_PORT + Serial8250.PORTS - 1;
        return new PortBus(List.of(new PortBus.Range(AcpiTables.COM1_PORT, last, uart)));
    }

    private int take(byte[] bytes, int offset, int length) {
        synchronized (printed) {
            printed.append(new String(bytes, offset, length, ISO_8859_1).replace("\r", ""));
            printed.notifyAll();
        }
        return length;
    }

    /// The domain's id.
    public int id() {
        return domain.id().value();
    }

    /// Waits until the guest has printed a line of this form.
    ///
    /// @throws IllegalStateException if it has not in time
    public Matcher await(Pattern form) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
        Pattern line = Pattern.compile("^" + form.pattern() + "\n", Pattern.MULTILINE);
        synchronized (printed) {
            while (true) {
                Matcher found = line.matcher(printed.toString());
                if (found.find()) {
                    return found;
                }
                long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
                if (left <= 0) {
                    throw new IllegalStateException(
                            "%s: waited in vain for %s; it has printed:%n%s"
                                    .formatted(domain, form, printed));
                }
                printed.wait(left);
            }
        }
    }

    /// Gives the guest a line, and lets it know by VIRQ_DEBUG. What was printed before is forgotten.
    public void tell(String line) throws InterruptedException {
        synchronized (printed) {
            printed.setLength(0);
        }
        byte[] bytes = (line + "\n").getBytes(ISO_8859_1);
        input.put(bytes, 0, bytes.length);
        debugVirq();
    }

    /// Waits for the numbers that the guest answers a line with: `= 1 2 3`.
    public List<Long> answer() throws InterruptedException {
        return Stream.of(await(ANSWER).group(1).split(" "))
                .filter(number -> !number.isEmpty())
                .map(Long::valueOf)
                .toList();
    }

    /// Gives the guest a line, and waits for the numbers of its answer.
    @FormatMethod
    public List<Long> ask(String form, Object... arguments) throws InterruptedException {
        tell(form.formatted(arguments));
        return answer();
    }

    /// Gives the guest a line, and waits for the first number of its answer.
    @FormatMethod
    public long askOne(String form, Object... arguments) throws InterruptedException {
        return ask(form, arguments).getFirst();
    }

    /// Waits until the guest has powered itself off.
    public void awaitPowerOff() throws InterruptedException {
        awaitEnd(ShutdownReason.POWEROFF);
    }

    /// Waits until the guest has ended, for that reason.
    public void awaitEnd(ShutdownReason reason) throws InterruptedException {
        ShutdownLatch.Outcome outcome =
                domain.shutdownLatch().await(TimeUnit.SECONDS.toMillis(limitSeconds));
        if (outcome == null || outcome.reason() != reason) {
            synchronized (printed) {
                throw new IllegalStateException(
                        "%s: %s; it has printed:%n%s".formatted(domain, outcome, printed));
            }
        }
    }

    /// Tells the guest something.
    public void debugVirq() {
        domain.eventChannels().raiseVcpu(Virq.DEBUG, new VcpuId(0));
    }

    /// Destroys the domain, whatever it is doing.
    @Override
    public void close() {
        hypervisor.destroy(domain);
    }
}
