package io.xenemu.core.service;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootModule;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.KernelImage;
import io.xenemu.core.device.StdioConsole;
import io.xenemu.core.device.Terminal;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.Teardown;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.core.lab.LabRelay;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Runs one guest in the foreground, over reboots, until it stops for good.
public final class GuestRun {
    private static final long STOP_SECONDS = 10;
    private static final long FOREVER = Long.MAX_VALUE;

    private final RunRequest request;
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile boolean stopping;
    private volatile @Nullable Domain current;
    private volatile @Nullable StdioConsole output;

    public GuestRun(RunRequest request) {
        this.request = request;
    }

    /// Runs the guest. Blocks until it has stopped and everything is closed.
    ///
    /// @throws HostException when KVM, a port or a socket is not to be had
    /// @throws BootException when a file is no kernel, or does not fit
    public RunOutcome run() throws HostException, BootException {
        Thread hook = new Thread(this::stop, "stop");
        try (Arena files = Arena.ofShared();
                Resources open = new Resources()) {
            KernelImage kernel = KernelImage.open(request.kernel(), files);
            List<BootModule> modules = new ArrayList<>();
            for (String module : request.modules()) {
                modules.add(BootModule.open(module, files));
            }
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
            Runtime.getRuntime().addShutdownHook(hook);
            return reboots(hypervisor, kernel, modules, stdio);
        } finally {
            ended.countDown();
            removeHook(hook);
        }
    }

    /// Looks for what is wrong with a request without KVM, before a lab is booted for it.
    ///
    /// @throws BootException when a file is no kernel, or cannot be read, or the memory is too little
    public static void check(RunRequest request) throws BootException {
        try (Arena files = Arena.ofConfined()) {
            KernelImage.open(request.kernel(), files);
            for (String module : request.modules()) {
                BootModule.open(module, files);
            }
            GuestMemoryMap _ = new GuestMemoryMap(request.config().memoryBytes());
        }
    }

    /// Stops the guest and waits until all is closed; for the end of the JVM (Ctrl-C, SIGTERM).
    public void stop() {
        stopping = true;
        hurryOutput();
        Domain domain = current;
        if (domain != null) {
            domain.shutdown(ShutdownReason.DESTROYED, "");
        }
        try {
            ended.await(STOP_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void hurryOutput() {
        StdioConsole stdio = output;
        if (stdio != null) {
            stdio.hurry();
        }
    }

    private RunOutcome reboots(
            Hypervisor hypervisor,
            KernelImage kernel,
            List<BootModule> modules,
            @Nullable StdioConsole stdio)
            throws BootException {
        long deadline =
                request.timeout() == null
                        ? FOREVER
                        : System.nanoTime() + request.timeout().toNanos();
        while (true) {
            StdioDevices devices = new StdioDevices(stdio, request.console(), request.serial());
            Domain domain =
                    hypervisor.create(
                            request.config(),
                            kernel,
                            modules,
                            request.commandLine(),
                            devices::ports);
            try {
                current = domain;
                RunOutcome outcome = once(hypervisor, domain, devices, deadline);
                if (outcome != RunOutcome.REBOOT || !request.reboot()) {
                    return outcome;
                }
            } finally {
                Teardown steps = new Teardown();
                steps.add(() -> hypervisor.destroy(domain));
                steps.add(devices::detach);
                steps.close();
            }
        }
    }

    private RunOutcome once(
            Hypervisor hypervisor, Domain domain, StdioDevices devices, long deadline) {
        StoreChannel store = new StoreChannel(domain, hypervisor.servicePorts());
        ConsoleChannel console = devices.connectConsole(domain, hypervisor.servicePorts());
        hypervisor.introduce(domain, store, console);
        devices.attach();
        if (stopping) {
            return RunOutcome.STOPPED;
        }
        domain.start();
        ShutdownLatch.Outcome outcome = await(domain, deadline);
        hypervisor.xenstore().shutdown(domain.id());
        if (outcome == null) {
            System.err.println("xen-emu: " + domain + ": timeout");
            hurryOutput();
            return RunOutcome.TIMEOUT;
        }
        if (!outcome.message().isEmpty()) {
            System.err.println("xen-emu: " + domain + ": " + outcome.message());
        }
        return switch (outcome.reason()) {
            case POWEROFF -> RunOutcome.POWEROFF;
            case REBOOT -> RunOutcome.REBOOT;
            case CRASH -> RunOutcome.CRASH;
            case TRIPLE_FAULT -> RunOutcome.TRIPLE_FAULT;
            case HOST_ERROR -> RunOutcome.HOST_ERROR;
            case DESTROYED -> RunOutcome.STOPPED;
            case SUSPEND, WATCHDOG, SOFT_RESET -> RunOutcome.OTHER_SHUTDOWN;
        };
    }

    private static ShutdownLatch.@Nullable Outcome await(Domain domain, long deadline) {
        try {
            long millis =
                    deadline == FOREVER
                            ? FOREVER
                            : TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            return domain.shutdownLatch().await(Math.max(millis, 0));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new ShutdownLatch.Outcome(ShutdownReason.DESTROYED, "");
        }
    }

    private void serveXenStore(Hypervisor hypervisor) throws HostException {
        if (request.xenstoreSocket() != null) {
            try {
                hypervisor.xenstore().listen(request.xenstoreSocket());
            } catch (IOException e) {
                throw new HostException("--xenstore-socket: " + e.getMessage(), e);
            }
        }
    }

    private void serveOperator(Resources open, Hypervisor hypervisor) throws HostException {
        Path path = request.controlSocket();
        if (path == null) {
            return;
        }
        try {
            open.add(
                    ControlSocket.open(path, new OperatorCommands(hypervisor.operated())),
                    ControlSocket::close);
        } catch (IOException e) {
            throw new HostException("--control-socket: " + e.getMessage(), e);
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
            throw new HostException("--lab-relay: " + e.getMessage(), e);
        }
    }

    private @Nullable StdioConsole stdio(Resources open) {
        if (!request.console() && !request.serial()) {
            return null;
        }
        open.add(Terminal.raw(), Terminal::close);
        return open.add(
                new StdioConsole(
                        request.config().name() + "-console",
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
