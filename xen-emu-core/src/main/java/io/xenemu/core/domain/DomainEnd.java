package io.xenemu.core.domain;

import io.xenemu.kvm.abi.KvmException;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Stops a domain, on any thread. The first reason that is given counts.
final class DomainEnd {
    private static final Logger log = LoggerFactory.getLogger(DomainEnd.class);

    private final ShutdownLatch shutdown = new ShutdownLatch();
    private final List<Vcpu> vcpus;

    /// Held while a thread stops the vCPUs, so that they are not closed meanwhile.
    private final Object stopping = new Object();

    /// Whether a failure after the domain's stop has been logged. One is enough, since peers can cause many.
    private final AtomicBoolean failedLater = new AtomicBoolean();

    /// The code that the guest has announced for its shutdown, or -1. As in Xen, it is not saved.
    private final AtomicInteger announced = new AtomicInteger(-1);

    DomainEnd(List<Vcpu> vcpus) {
        this.vcpus = vcpus;
    }

    ShutdownLatch latch() {
        return shutdown;
    }

    /// SCHEDOP_shutdown_code: the first code stays.
    ///
    /// @param code 0 to 255
    void announce(int code) {
        boolean _ = announced.compareAndSet(-1, code);
    }

    /// Takes the announced code, if there is one: a domain that suspends forgets it when it is resumed.
    int takeAnnounced(int said) {
        int code = announced.getAndSet(-1);
        return code < 0 ? said : code;
    }

    /// Any thread may call this: an operator's, or one that serves another domain.
    ///
    /// @return false if it had been stopped before
    boolean stop(ShutdownReason reason, String message) {
        int code = announced.get();
        boolean replaced = code >= 0 && reason.isGuests();
        ShutdownReason told = replaced ? ShutdownReason.of(code) : reason;
        String line = replaced && message.isEmpty() ? ShutdownReason.describe(code) : message;
        synchronized (stopping) {
            if (!shutdown.set(told, line)) {
                return false;
            }
            vcpus.forEach(Vcpu::stop);
            return true;
        }
    }

    /// See [Domain#failed].
    void failed(Object who, Throwable failure) {
        // The domain is stopped first: without memory, logging the failure may fail as well.
        boolean stopped;
        if (failure instanceof KvmException e) {
            stopped = stop(ShutdownReason.HOST_ERROR, who + ": " + e.getMessage());
        } else if (failure instanceof VirtualMachineError) {
            stopped = stop(ShutdownReason.HOST_ERROR, failure.toString());
        } else {
            stopped = stop(ShutdownReason.CRASH, who + ": internal error: " + failure);
        }
        if (!stopped && !failedLater.compareAndSet(false, true)) {
            log.debug("{} failed again", who, failure);
        } else if (failure instanceof VirtualMachineError) {
            log.error("{} failed", who, failure);
        } else if (!(failure instanceof KvmException)) {
            log.error("{} failed: this is a bug", who, failure);
        } else if (!stopped) {
            log.warn("{} failed when the domain had stopped: {}", who, failure.getMessage());
        }
    }
}
