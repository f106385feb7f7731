package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.delivery.EventFdThread;
import io.xenemu.core.delivery.GsiRoutes;
import io.xenemu.core.vm.VmPort;
import io.xenemu.kvm.memory.EventFd;
import java.io.IOException;

/// A level-triggered interrupt line that a process of remote devices holds: an irqfd that raises it, and an eventfd
/// that tells the ends of its interrupts. Made by [RemoteLines].
public final class RemoteLine {
    /// Gets the descriptors.
    @FunctionalInterface
    public interface Taker {
        /// Sends duplicates to the process.
        ///
        /// @throws IOException if it has gone
        void take(int irqfd, int resamplefd) throws IOException;
    }

    private final int gsi;
    private final VmPort vm;
    private final EventFdThread irqfd;
    private final EventFd resamplefd;
    private final Runnable ended;

    @GuardedBy("this")
    private boolean inKernel;

    @GuardedBy("this")
    private boolean closed;

    RemoteLine(int gsi, VmPort vm, EventFdThread irqfd, EventFd resamplefd, Runnable ended) {
        this.gsi = gsi;
        this.vm = vm;
        this.irqfd = irqfd;
        this.resamplefd = resamplefd;
        this.ended = ended;
    }

    /// The line.
    public int gsi() {
        return gsi;
    }

    /// Gives the descriptors away. They are not closed meanwhile.
    ///
    /// @throws IOException if the taker fails, or the domain has ended
    public synchronized void give(Taker taker) throws IOException {
        if (closed) {
            throw new IOException("the domain has ended");
        }
        taker.take(irqfd.eventFd().fd(), resamplefd.fd());
    }

    /// Takes it to the interrupt controllers, or from there to this process. Then asks the process whether it holds the
    /// line: what it told the former place is forgotten.
    synchronized void route(boolean isEvent) {
        if (!closed) {
            connect(isEvent);
            resamplefd.signal();
        }
    }

    /// Takes it to the interrupt controllers, or from there to this process.
    synchronized void connect(boolean isEvent) {
        if (isEvent && inKernel) {
            inKernel = false;
            vm.deassignIrqfd(irqfd.eventFd().fd(), GsiRoutes.ofPin(gsi));
        } else if (!isEvent && !inKernel) {
            vm.assignResampleIrqfd(irqfd.eventFd().fd(), GsiRoutes.ofPin(gsi), resamplefd.fd());
            inKernel = true;
        }
    }

    /// Tells the process that the guest has ended an interrupt that was an event. KVM tells the others itself.
    ///
    /// @return whether it was told
    synchronized boolean resample() {
        if (closed || inKernel) {
            return false;
        }
        resamplefd.signal();
        return true;
    }

    /// Takes the line from KVM, and closes the descriptors.
    synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        try {
            if (inKernel) {
                vm.deassignIrqfd(irqfd.eventFd().fd(), GsiRoutes.ofPin(gsi));
            }
        } finally {
            irqfd.close();
            resamplefd.close();
        }
    }

    /// Tells the owner that the domain has ended.
    void domainEnded() {
        ended.run();
    }
}
