package io.xenemu.core.guest;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.ConsoleLog;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A guest in the background of a service: its driver thread, and the logs of its consoles, which last over its
/// reboots.
public final class HostedGuest {
    private static final Logger log = LoggerFactory.getLogger(HostedGuest.class);

    private final String name;
    private final Guest guest;
    private final DriverRequest start;
    private final ConsoleLog console = new ConsoleLog();
    private final ConsoleLog serial = new ConsoleLog();
    private final Thread thread;
    private final Runnable ended;

    private HostedGuest(
            Hypervisor hypervisor, String name, Guest guest, DriverRequest start, Runnable ended) {
        this.name = name;
        this.guest = guest;
        this.start = start;
        this.ended = ended;
        this.thread = Thread.ofPlatform().name("guest-" + name).unstarted(() -> run(hypervisor));
    }

    /// @param guest has not been started
    /// @param name its name
    /// @param paused whether its first domain begins paused
    /// @param ended called when nothing is left of it
    static HostedGuest booting(
            Hypervisor hypervisor, String name, Guest guest, boolean paused, Runnable ended) {
        return new HostedGuest(hypervisor, name, guest, guest.start(paused), ended);
    }

    /// A guest that is preserved from its beginning.
    ///
    /// @param ended called when nothing is left of it
    static HostedGuest preserved(Hypervisor hypervisor, String name, Guest guest, Runnable ended) {
        DriverRequest none = DriverRequest.of(DriverRequest.Kind.START);
        none.done();
        return new HostedGuest(hypervisor, name, guest, none, ended);
    }

    /// Starts the guest, and waits until its first domain runs.
    ///
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit
    /// @throws KvmException when the host has no room for it
    /// @throws Refused when the guest is destroyed before it runs
    void start() throws BootException, Refused, InterruptedException {
        begin();
        while (!isStarted()) {
            log.debug("{} is starting", name);
        }
    }

    /// Waits a moment for the start.
    ///
    /// @return false if it has not been started yet
    /// @throws BootException when its first domain cannot be made
    /// @throws KvmException when the host has no room for it
    /// @throws Refused when the guest is destroyed before it runs
    boolean isStarted() throws BootException, Refused, InterruptedException {
        try {
            return start.await(Guest.TOLD_EVERY);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case BootException cause -> throw cause;
                case KvmException cause -> throw cause;
                case null, default -> throw new IllegalStateException(name + " has failed", e);
            }
        }
    }

    /// Starts its driver, and does not wait.
    void begin() {
        try {
            thread.start();
        } catch (OutOfMemoryError e) {
            // The host has no thread left: the name is free again.
            ended.run();
            throw e;
        }
    }

    private void run(Hypervisor hypervisor) {
        Throwable failure = null;
        try {
            RunOutcome outcome = guest.run(hypervisor, console, serial, Guest.FOREVER);
            log.debug("{} is gone: {}", name, outcome);
        } catch (BootException | RuntimeException | Error e) {
            failure = e;
        } finally {
            console.close();
            serial.close();
            ended.run();
            answer(failure);
        }
    }

    /// Reports a failure to the thread that waits for the start, or to the log if the guest has been started.
    private void answer(@Nullable Throwable failure) {
        boolean starting = start.fail(failure == null ? Refusal.DESTROYED.of(name) : failure);
        if (starting || failure == null) {
            return;
        }
        if (failure instanceof BootException || failure instanceof KvmException) {
            log.error("{} cannot be restarted: {}", name, failure.getMessage());
        } else {
            log.error("{} has ended: this is a bug", name, failure);
        }
    }

    String name() {
        return name;
    }

    GuestState state() {
        return guest.state();
    }

    /// Puts a request to its driver. Does not wait.
    void put(DriverRequest request) {
        guest.put(request);
    }

    /// Destroys the guest, and does not wait.
    void destroy() {
        guest.destroy();
    }

    /// Destroys the guest, and waits until nothing is left of it, even if the thread is interrupted.
    void destroyNow() {
        guest.destroy();
        Uninterruptibles.joinUninterruptibly(thread);
    }

    /// Asks the guest to power off. Does not wait.
    ///
    /// @return false if it cannot be asked now
    boolean askToPowerOff() {
        return guest.askToPowerOff();
    }

    /// Makes the next stop of its domain the guest's end. A preserved guest ends now.
    void endAtStop() {
        guest.endAtStop();
    }

    /// Destroys the guest, and waits until nothing is left of it.
    public void stop() throws InterruptedException {
        guest.destroy();
        thread.join();
    }

    /// Waits until nothing is left of the guest.
    public void awaitEnd() throws InterruptedException {
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
