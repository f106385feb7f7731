package io.xenemu.core.service;

import io.xenemu.core.control.ControlSocket;
import io.xenemu.core.control.OperatedService;
import io.xenemu.core.control.VerbTable;
import io.xenemu.core.guest.AttachedGuests;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.guest.LiveUpdates;
import io.xenemu.core.guest.OrderlyStop;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Hosts any number of guests, which share one XenStore and are made and ended over a control socket.
public final class Daemon {
    private static final Logger log = LoggerFactory.getLogger(Daemon.class);

    /// The longest wait for a scrape when the next process serves the metrics.
    private static final Duration METRICS_LIMIT = Duration.ofSeconds(2);

    /// The source of the daemon's KVM.
    private interface KvmSource {
        /// @throws HostException when there is no suitable KVM
        HostKvm open() throws HostException;
    }

    private final DaemonRequest request;
    private final KvmSource kvms;
    private volatile @Nullable ControlSocket control;
    private volatile @Nullable ServiceMetrics shown;
    private final CountDownLatch stop = new CountDownLatch(1);
    private final CountDownLatch atOnce = new CountDownLatch(1);

    public Daemon(DaemonRequest request) {
        this(request, HostKvm::open);
    }

    private Daemon(DaemonRequest request, KvmSource kvms) {
        this.request = request;
        this.kvms = kvms;
    }

    /// Leaves clients to the new process.
    private void leave() {
        ControlSocket socket = control;
        if (socket != null) {
            socket.leave();
        }
    }

    /// Ends this process, which has handed its guests over. It closes nothing in order: that would end what the new
    /// process has now.
    private void end() {
        ServiceMetrics served = shown;
        try {
            if (served != null) {
                served.leave(METRICS_LIMIT);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        log.info("handed over: the new version runs the guests");
        Runtime.getRuntime().halt(0);
    }

    /// A daemon that works on any machine, except that each guest ends at the point where KVM would make its VM.
    public static Daemon withoutKvm(DaemonRequest request) {
        return new Daemon(
                request,
                () -> new HostKvm(KvmSystem.absent(), EnumSet.noneOf(XenCapability.class)));
    }

    /// Serves until [#stop], and while its guests end.
    ///
    /// @throws HostException when KVM, a port, a file or a socket is not available
    public void run() throws HostException {
        try (Resources open = new Resources()) {
            TakenOver old = request.upgrades() ? takenOver(open) : null;
            PidFile pid = old == null ? PidFile.lock(request.pidFile(), open) : null;
            HostKvm kvm = open.add(kvms.open(), HostKvm::close);
            ServiceMetrics metrics =
                    open.add(
                            old == null
                                    ? ServiceMetrics.open(request.metrics())
                                    : ServiceMetrics.unserved(request.metrics()),
                            ServiceMetrics::close);
            shown = metrics;
            Hypervisor hypervisor =
                    ServiceHypervisor.open(
                            open,
                            kvm,
                            metrics,
                            request.quotas(),
                            request.engines(),
                            request.domids());
            open.add(HeapTrim.start(), HeapTrim::close);
            if (old == null) {
                makeFolderOf(request.xenstoreSocket());
                hypervisor.xenstore().listen(request.xenstoreSocket());
            }
            HostedGuests guests =
                    open.add(
                            old == null
                                    ? new HostedGuests(
                                            hypervisor, request.dumps(), request.migrations())
                                    : HostedGuests.takingOver(
                                            hypervisor, request.dumps(), request.migrations()),
                            HostedGuests::close);
            VerbTable verbs = verbs(hypervisor, guests);
            if (old == null) {
                makeFolderOf(request.controlSocket());
                control =
                        open.add(
                                ControlSocket.open(
                                        request.controlSocket(), request.controlGroup(), verbs),
                                ControlSocket::close);
                listen(open, hypervisor, guests);
            } else {
                old.take(request.controlSocket(), guests);
                serve(open, old, hypervisor, verbs);
                serveMetrics(metrics);
                old.tellServing();
                old.awaitOldEnd();
                TakenOver.take(metrics::serve);
                TakenOver.take(() -> listen(open, hypervisor, guests));
            }
            if (pid != null) {
                pid.write();
            } else {
                TakenOver.take(() -> PidFile.lock(request.pidFile(), open).writeNow());
            }
            metrics.ready();
            log.info("serving {} and {}", request.controlSocket(), request.xenstoreSocket());
            stop.await();
            guests.end();
            OrderlyStop.run(guests, request.stopTimeout(), atOnce);
        } catch (IOException e) {
            throw new HostException(IoReason.of(e), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private TakenOver takenOver(Resources open) throws IOException {
        return open.add(TakenOver.prepare(request), TakenOver::close);
    }

    private VerbTable verbs(Hypervisor hypervisor, HostedGuests guests) {
        Path control = request.controlSocket();
        return new VerbTable(
                OperatedService.ofDaemon(
                        hypervisor,
                        guests,
                        control.toAbsolutePath().resolveSibling(control.getFileName() + ".upgrade"),
                        new LiveUpdates.Leaving(this::leave, this::end)));
    }

    /// Serves the sockets of a service that was taken over. Its guests run, whatever fails.
    private void serve(Resources open, TakenOver old, Hypervisor hypervisor, VerbTable verbs) {
        try {
            if (request.xenstoreSocket()
                    .toAbsolutePath()
                    .equals(hypervisor.xenstore().socketPath())) {
                old.hasXenStore();
            } else {
                // The old process had it elsewhere, or is too old to give it away.
                hypervisor.xenstore().listen(old.xenstore());
            }
        } catch (IOException e) {
            log.error("upgraded, but XenStore has no socket: {}", IoReason.of(e));
        }
        try {
            control =
                    open.add(
                            ControlSocket.open(old.control(), request.controlGroup(), verbs),
                            ControlSocket::close);
        } catch (IOException e) {
            log.error("upgraded, but there is no control socket: {}", IoReason.of(e));
        }
    }

    /// Serves the metrics beside the old process. One that is too old for that has the port until its end.
    private static void serveMetrics(ServiceMetrics metrics) {
        try {
            metrics.serveBeside();
        } catch (HostException e) {
            log.debug("the old version has the metrics until its end: {}", e.getMessage());
        }
    }

    /// Listens for VMMs and for processes of remote devices, if there are sockets for them.
    private void listen(Resources open, Hypervisor hypervisor, HostedGuests guests)
            throws HostException {
        listen(
                open,
                request.attachSocket(),
                "a VMM",
                "attached-vmm",
                new AttachedGuests(guests, AttachedGuests.POLL_MICROS)::serve);
        listen(
                open,
                request.deviceSocket(),
                "a process of remote devices",
                "remote-devices",
                new RemoteDevices(hypervisor.operated())::serve);
    }

    private static void listen(
            Resources open,
            @Nullable Path path,
            String who,
            String threads,
            Consumer<MessageSocket> serve)
            throws HostException {
        if (path == null) {
            return;
        }
        makeFolderOf(path);
        try {
            open.add(ProcessSocket.open(path, who, threads, serve), ProcessSocket::close);
        } catch (IOException e) {
            throw new HostException(IoReason.of(e), e);
        }
    }

    /// Makes the folder of a socket, if it is not there.
    ///
    /// @throws HostException if it cannot be made
    static void makeFolderOf(Path socket) throws HostException {
        Path folder = socket.toAbsolutePath().getParent();
        try {
            if (folder != null) {
                Files.createDirectories(folder);
            }
        } catch (IOException e) {
            throw new HostException(
                    "cannot make the folder of " + socket + ": " + IoReason.of(e), e);
        }
    }

    /// Makes [#run] end: its guests are asked to power off, and destroyed when their time is over.
    public void stop() {
        stop.countDown();
    }

    /// Makes [#run] end at once.
    public void stopAtOnce() {
        atOnce.countDown();
        stop.countDown();
    }
}
