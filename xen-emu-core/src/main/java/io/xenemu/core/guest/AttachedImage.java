package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.machine.AttachedDomain;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.attach.AttachConnection;
import io.xenemu.kvm.attach.AttachMessage;
import io.xenemu.kvm.attach.AttachedVm;
import org.jspecify.annotations.Nullable;

/// The machine of an attached VMM, of which each boot of the guest becomes a domain. The VMM says when its machine is
/// to start, and when it was reset; the domain's end is told to the VMM.
///
/// All boots have one domain id: the guest reads it from CPUID, which KVM does not let change when a vCPU has run.
final class AttachedImage implements DomainImage {
    private static final int NONE = 0;

    private final GuestRequest request;
    private final AttachConnection connection;
    private final AttachedVm vm;
    private final AttachMessage.Ram ranges;

    /// The id of the guest's domains; null before the first.
    private @Nullable DomId id;

    /// The tag of a start that waits for its domain, or [#NONE].
    @GuardedBy("this")
    private int start;

    /// The tag of a reset that waits for the end of the domain, or [#NONE].
    @GuardedBy("this")
    private int reset;

    @GuardedBy("this")
    private @Nullable Domain domain;

    @GuardedBy("this")
    private boolean cancelled;

    /// @param request of the guest
    /// @param vm with all of its vCPUs
    /// @param ranges where its memory is
    AttachedImage(
            GuestRequest request,
            AttachConnection connection,
            AttachedVm vm,
            AttachMessage.Ram ranges) {
        this.request = request;
        this.connection = connection;
        this.vm = vm;
        this.ranges = ranges;
    }

    @Override
    public GuestRequest request() {
        return request;
    }

    @Override
    public boolean isForEachBoot() {
        return true;
    }

    /// The VMM waits for its machine's domain.
    ///
    /// @param tag for the answer
    synchronized void started(int tag) {
        if (cancelled) {
            connection.refuse(tag, Errno.ESRCH, "its guest has ended");
            return;
        }
        start = tag;
        notifyAll();
    }

    /// The VMM has reset its machine.
    ///
    /// @param tag for the answer
    void reset(int tag) {
        Domain ending;
        synchronized (this) {
            ending = domain;
            if (ending != null) {
                reset = tag;
            }
        }
        if (ending == null) {
            vm.reset();
            connection.done(tag);
        } else {
            ending.shutdown(ShutdownReason.REBOOT, "the VMM has reset it");
        }
    }

    private synchronized int awaitStart() throws BootException {
        try {
            while (start == NONE && !cancelled) {
                wait();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            cancelled = true;
        }
        if (cancelled) {
            throw new BootException("its VMM has gone");
        }
        return start;
    }

    /// Waits for the VMM's start, and builds the domain.
    @Override
    public GuestBoot restore(
            Hypervisor hypervisor,
            DomainDriver orders,
            @Nullable HostConsole console,
            @Nullable HostConsole serial)
            throws BootException {
        int tag = awaitStart();
        boolean done = false;
        String reason = "this is a bug of the service";
        try {
            GuestBoot boot =
                    GuestBoot.attach(
                            hypervisor,
                            request,
                            id == null ? request.domid() : id,
                            this::parts,
                            connection::unplug,
                            orders,
                            console);
            runs(boot.domain());
            done = true;
            return boot;
        } catch (BootException e) {
            reason = String.valueOf(e.getMessage());
            throw e;
        } catch (KvmException e) {
            reason = String.valueOf(e.getMessage());
            throw new BootException(request.config().name() + ": " + e.getMessage(), e);
        } finally {
            synchronized (this) {
                start = NONE;
            }
            if (done) {
                connection.done(tag);
            } else {
                connection.refuse(tag, Errno.EINVAL, reason);
            }
        }
    }

    private AttachedDomain parts(DomId given) {
        return new AttachedDomain(
                new DomainOrigin.Attached(given, request.config(), layout(ranges), vm.ram()),
                vm,
                connection,
                ranges,
                id != null);
    }

    /// Where a VMM's memory is.
    ///
    /// @throws IllegalArgumentException if a guest cannot have it there
    static MachineLayout layout(AttachMessage.Ram ranges) {
        long high = 0;
        for (AttachMessage.Range range : ranges.ranges().subList(1, ranges.ranges().size())) {
            if (range.guestAddress() != GuestMemoryMap.HIGH_RAM_START) {
                throw new IllegalArgumentException(
                        "memory at %#x: it has to begin at 0 and at 4 GiB"
                                .formatted(range.guestAddress()));
            }
            high = range.bytes();
        }
        return new MachineLayout(ranges.ranges().getFirst().bytes(), 0, high, 1);
    }

    private void runs(Domain built) {
        id = built.id();
        built.alsoClose("attached VMM", () -> ended(built));
        synchronized (this) {
            domain = built;
        }
        vm.started(true);
    }

    /// Whether there is a domain.
    synchronized boolean isRunning() {
        return domain != null;
    }

    /// Tells the VMM of a domain's end.
    private void ended(Domain ending) {
        int waiting;
        synchronized (this) {
            domain = null;
            waiting = reset;
            reset = NONE;
        }
        vm.reset();
        if (waiting != NONE) {
            connection.done(waiting);
            return;
        }
        ShutdownLatch.Outcome outcome = ending.shutdownLatch().get();
        ShutdownReason reason = outcome == null ? ShutdownReason.DESTROYED : outcome.reason();
        connection.end(reason.code());
    }

    /// The guest's memory is the VMM's.
    @Override
    public long heldBytes() {
        return request.config().maxMemoryBytes();
    }

    @Override
    public synchronized void cancel() {
        cancelled = true;
        notifyAll();
    }

    @Override
    public void close() {
        cancel();
    }
}
