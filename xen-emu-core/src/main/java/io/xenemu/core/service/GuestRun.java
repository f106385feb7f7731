package io.xenemu.core.service;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.control.ControlSocket;
import io.xenemu.core.control.OperatedService;
import io.xenemu.core.control.VerbTable;
import io.xenemu.core.device.StdioConsole;
import io.xenemu.core.device.Terminal;
import io.xenemu.core.guest.Guest;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.OrderlyStop;
import io.xenemu.core.guest.RunOutcome;
import io.xenemu.core.guest.SecondGuest;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.core.lab.LabRelay;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.IoReason;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Runs one guest in the foreground, over reboots, until it stops for good.
public final class GuestRun {
    private static final long STOP_SECONDS = 10;

    /// 100 years.
    private static final Duration LONGEST_TIMEOUT = Duration.ofDays(36_500);

    private final RunRequest request;
    private final CountDownLatch ended = new CountDownLatch(1);
    private final CountDownLatch atOnce = new CountDownLatch(1);
    private volatile boolean stopping;
    private volatile @Nullable Running running;
    private volatile @Nullable StdioConsole output;

    /// The guest, from when it can be stopped.
    private record Running(Guest guest, Hypervisor hypervisor) {}

    public GuestRun(RunRequest request) {
        this.request = request;
    }

    /// Runs the guest. Blocks until it has stopped and everything is closed.
    ///
    /// @throws HostException when KVM, a port or a socket is not to be had
    /// @throws BootException when a file is no kernel, or does not fit
    public RunOutcome run() throws HostException, BootException {
        Thread hook = new Thread(this::stop, "stop");
        try (Resources open = new Resources()) {
            HostKvm kvm = open.add(HostKvm.open(), HostKvm::close);
            MeterRegistry registry =
                    open.add(ServiceMetrics.open(request.metrics()), ServiceMetrics::close)
                            .registry();
            Hypervisor hypervisor =
                    open.add(new Hypervisor(kvm, registry, request.quotas()), Hypervisor::close);
            serveXenStore(hypervisor);
            serveOperator(open, hypervisor);
            relay(open);
            StdioConsole stdio = stdio(open);
            output = stdio;
            startBeside(open, hypervisor);
            Guest guest =
                    new Guest(
                            hypervisor,
                            request.guest(),
                            request.console() ? stdio : null,
                            request.serial() ? stdio : null);
            running = new Running(guest, hypervisor);
            Runtime.getRuntime().addShutdownHook(hook);
            return run(guest);
        } finally {
            ended.countDown();
            removeHook(hook);
        }
    }

    private void startBeside(Resources open, Hypervisor hypervisor) throws BootException {
        GuestRequest beside = request.beside();
        if (beside != null) {
            open.add(
                    SecondGuest.start(hypervisor, beside, new FileOutputStream(FileDescriptor.out)),
                    SecondGuest::close);
        }
    }

    private RunOutcome run(Guest guest) throws BootException {
        if (stopping) {
            guest.stop();
        }
        return guest.run(deadline(request.timeout()), _ -> {});
    }

    /// In `System.nanoTime()`. A time-out that no service lives to see is none, and its nanoseconds may be no number of 64 bits.
    static long deadline(@Nullable Duration timeout) {
        return timeout == null || timeout.compareTo(LONGEST_TIMEOUT) > 0
                ? Guest.FOREVER
                : System.nanoTime() + timeout.toNanos();
    }

    /// Asks the guest to power off, and stops it when its time for that is over; for the first SIGTERM. Returns when all is
    /// closed.
    public void terminate() {
        stopping = true;
        Running now = running;
        if (now != null) {
            now.guest.endAtReboot();
            try {
                OrderlyStop.run(new AskedGuest(now.hypervisor), request.stopTimeout(), atOnce);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        stop();
    }

    /// The guest, and another beside it.
    private final class AskedGuest implements OrderlyStop.Guests {
        private final Hypervisor hypervisor;
        private final Set<DomId> asked = new HashSet<>();

        AskedGuest(Hypervisor hypervisor) {
            this.hypervisor = hypervisor;
        }

        @Override
        public List<String> left() {
            return ended.getCount() == 0 ? List.of() : List.of(request.guest().config().name());
        }

        @Override
        public void ask() {
            hypervisor.askToPowerOff(asked);
        }
    }

    /// Stops the guest at once and waits until all is closed; for the end of the JVM (Ctrl-C, a second SIGTERM).
    public void stop() {
        stopping = true;
        atOnce.countDown();
        StdioConsole stdio = output;
        if (stdio != null) {
            stdio.hurry();
        }
        Running now = running;
        if (now != null) {
            now.guest.stop();
        }
        try {
            ended.await(STOP_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void serveXenStore(Hypervisor hypervisor) throws HostException {
        if (request.xenstoreSocket() != null) {
            try {
                hypervisor.xenstore().listen(request.xenstoreSocket());
            } catch (IOException e) {
                throw new HostException("--xenstore-socket: " + IoReason.of(e), e);
            }
        }
    }

    private void serveOperator(Resources open, Hypervisor hypervisor) throws HostException {
        Path path = request.controlSocket();
        if (path == null) {
            return;
        }
        VerbTable verbs = new VerbTable(OperatedService.of(hypervisor));
        try {
            open.add(ControlSocket.open(path, verbs), ControlSocket::close);
        } catch (IOException e) {
            throw new HostException("--control-socket: " + IoReason.of(e), e);
        }
    }

    /// Inside the lab: lets the host reach XenStore, and know that it and the metrics are served.
    private void relay(Resources open) throws HostException {
        Integer port = request.labRelay();
        if (port == null) {
            return;
        }
        try {
            String share = System.getenv(LabMachine.SHARE_VARIABLE);
            if (share == null) {
                throw new HostException("--lab-relay is for xen-emu itself, inside the lab");
            }
            open.add(
                    LabRelay.start(port, request.xenstoreSocket(), Path.of(share)),
                    LabRelay::close);
        } catch (IOException e) {
            throw new HostException("--lab-relay: " + IoReason.of(e), e);
        }
    }

    private @Nullable StdioConsole stdio(Resources open) {
        if (!request.console() && !request.serial()) {
            return null;
        }
        open.add(Terminal.shared(), Terminal::close);
        return open.add(
                new StdioConsole(
                        request.guest().config().name() + "-console",
                        new FileInputStream(FileDescriptor.in),
                        new FileOutputStream(FileDescriptor.out)),
                StdioConsole::close);
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is ending, which is what the hook is for.
        }
    }
}
