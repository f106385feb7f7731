package io.xenemu.core.service;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.control.ControlSocket;
import io.xenemu.core.control.OperatedService;
import io.xenemu.core.control.VerbTable;
import io.xenemu.core.device.StdioConsole;
import io.xenemu.core.device.Terminal;
import io.xenemu.core.guest.Guest;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.GuestState;
import io.xenemu.core.guest.OrderlyStop;
import io.xenemu.core.guest.RunOutcome;
import io.xenemu.core.guest.SecondGuest;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.core.lab.LabRelay;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Runs one guest in the foreground, over reboots, until it stops for good.
public final class GuestRun {
    private static final long STOP_SECONDS = 10;

    /// The longest time-out, 100 years.
    private static final Duration LONGEST_TIMEOUT = Duration.ofDays(36_500);

    private final RunRequest request;
    private final Guest guest;

    /// Counted down when everything is closed, after the guest's end.
    private final CountDownLatch closed = new CountDownLatch(1);

    private final CountDownLatch atOnce = new CountDownLatch(1);
    private volatile @Nullable StdioConsole output;
    private volatile @Nullable SecondGuest second;

    public GuestRun(RunRequest request) {
        this.request = request;
        this.guest = new Guest(request.guest(), request.dumps());
    }

    /// Runs the guest. Blocks until it has stopped and everything is closed.
    ///
    /// @throws HostException when KVM, a port or a socket is not available
    /// @throws BootException when a file is no kernel, or does not fit
    public RunOutcome run() throws HostException, BootException {
        Thread hook = new Thread(this::stop, "stop");
        try (Resources open = new Resources()) {
            HostKvm kvm = open.add(HostKvm.open(), HostKvm::close);
            ServiceMetrics metrics =
                    open.add(ServiceMetrics.open(request.metrics()), ServiceMetrics::close);
            Hypervisor hypervisor =
                    ServiceHypervisor.open(
                            open,
                            kvm,
                            metrics,
                            request.quotas(),
                            request.engines(),
                            request.domids());
            serveXenStore(hypervisor);
            serveOperator(open, hypervisor);
            relay(open);
            StdioConsole stdio = stdio(open);
            output = stdio;
            startSecond(open, hypervisor);
            Runtime.getRuntime().addShutdownHook(hook);
            guest.start();
            metrics.ready();
            return guest.run(
                    hypervisor,
                    request.console() ? stdio : null,
                    request.serial() ? stdio : null,
                    deadline(request.timeout()));
        } finally {
            closed.countDown();
            removeHook(hook);
        }
    }

    private void startSecond(Resources open, Hypervisor hypervisor)
            throws BootException, HostException {
        GuestRequest wanted = request.beside();
        if (wanted == null) {
            return;
        }
        try {
            second =
                    open.add(
                            SecondGuest.start(
                                    hypervisor,
                                    wanted,
                                    request.dumps(),
                                    new FileOutputStream(FileDescriptor.out)),
                            SecondGuest::close);
        } catch (Refused e) {
            throw new HostException(e.reason(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            guest.destroy();
        }
    }

    /// The end of a time-out in `System.nanoTime()`. A time-out beyond [#LONGEST_TIMEOUT] counts as none, since its
    /// nanoseconds may not fit into 64 bits.
    static long deadline(@Nullable Duration timeout) {
        return timeout == null || timeout.compareTo(LONGEST_TIMEOUT) > 0
                ? Guest.FOREVER
                : System.nanoTime() + timeout.toNanos();
    }

    /// Asks the guest to power off, and destroys it when its time for that is over. For the first SIGTERM. Returns when
    /// everything is closed.
    public void terminate() {
        guest.endAtStop();
        if (guest.state() != GuestState.MADE) {
            try {
                OrderlyStop.run(new AskedGuests(), request.stopTimeout(), atOnce);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        stop();
    }

    /// The guest, and the second one beside it.
    private final class AskedGuests implements OrderlyStop.Guests {
        private boolean asked;

        @Override
        public List<String> left() {
            return closed.getCount() == 0 ? List.of() : List.of(request.guest().config().name());
        }

        @Override
        public void ask() {
            SecondGuest other = second;
            if (asked || !guest.askToPowerOff()) {
                return;
            }
            asked = true;
            if (other != null) {
                other.askToPowerOff();
            }
        }
    }

    /// Stops the guest at once and waits until all is closed; for the end of the JVM (Ctrl-C, a second SIGTERM).
    public void stop() {
        atOnce.countDown();
        StdioConsole stdio = output;
        if (stdio != null) {
            stdio.hurry();
        }
        guest.destroy();
        try {
            closed.await(STOP_SECONDS, TimeUnit.SECONDS);
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
            open.add(ControlSocket.open(path, request.controlGroup(), verbs), ControlSocket::close);
        } catch (IOException e) {
            throw new HostException("--control-socket: " + IoReason.of(e), e);
        }
    }

    /// Inside the lab, lets the host reach XenStore, and tells it when XenStore and the metrics are served.
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
            // The JVM is ending already, so the hook does its work.
        }
    }
}
