package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.ConsoleLog;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.kvm.abi.KvmException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A guest in the background of a service: its thread, and what is kept of its consoles over its reboots.
public final class HostedGuest {
    private static final Logger log = LoggerFactory.getLogger(HostedGuest.class);

    private final GuestRequest request;
    private final ConsoleLog console = new ConsoleLog();
    private final ConsoleLog serial = new ConsoleLog();
    private final CompletableFuture<Void> started = new CompletableFuture<>();
    private final Thread thread;
    private final Runnable ended;
    private volatile @Nullable Guest guest;
    private volatile boolean stopping;
    private volatile boolean endsAtReboot;

    /// @param paused whether its first domain begins paused
    /// @param ended called when nothing is left of it
    HostedGuest(Hypervisor hypervisor, GuestRequest request, boolean paused, Runnable ended) {
        this.request = request;
        this.ended = ended;
        thread =
                Thread.ofPlatform()
                        .name("guest-" + request.config().name())
                        .unstarted(() -> run(hypervisor, paused));
    }

    /// Starts it, and waits until its first domain has been made.
    ///
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit
    /// @throws KvmException when the host has no room for it
    void start() throws BootException {
        try {
            thread.start();
        } catch (OutOfMemoryError e) {
            // The host has no thread left: its name is free again.
            ended.run();
            throw e;
        }
        try {
            started.join();
        } catch (CompletionException e) {
            switch (e.getCause()) {
                case BootException cause -> throw cause;
                case KvmException cause -> throw cause;
                case null, default -> throw e;
            }
        }
    }

    private void run(Hypervisor hypervisor, boolean paused) {
        try {
            Guest made = new Guest(hypervisor, request, console, serial);
            guest = made;
            if (stopping) {
                made.stop();
            }
            if (endsAtReboot) {
                made.endAtReboot();
            }
            RunOutcome outcome = made.run(Guest.FOREVER, domain -> starting(domain, paused));
            log.debug("{} is gone: {}", request.config().name(), outcome);
        } catch (BootException | KvmException e) {
            if (!started.completeExceptionally(e)) {
                log.error("{} cannot be restarted: {}", request.config().name(), e.getMessage());
            }
        } catch (RuntimeException | Error e) {
            if (!started.completeExceptionally(e)) {
                log.error("{} has ended: this is a bug", request.config().name(), e);
            }
        } finally {
            started.complete(null);
            console.close();
            serial.close();
            ended.run();
        }
    }

    private void starting(Domain domain, boolean paused) {
        if (paused && !started.isDone()) {
            domain.pause();
        }
        started.complete(null);
    }

    /// Lets it be gone when it reboots.
    void endAtReboot() {
        endsAtReboot = true;
        Guest running = guest;
        if (running != null) {
            running.endAtReboot();
        }
    }

    /// Ends it at once, and waits until nothing is left.
    public void stop() throws InterruptedException {
        stopping = true;
        Guest running = guest;
        if (running != null) {
            running.stop();
        }
        thread.join();
    }

    /// Its PV console.
    public ConsoleLog console() {
        return console;
    }

    /// Its serial port.
    public ConsoleLog serial() {
        return serial;
    }
}
