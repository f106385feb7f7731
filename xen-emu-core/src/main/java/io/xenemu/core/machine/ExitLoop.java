package io.xenemu.core.machine;

import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainObserver;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmVcpu;

/// The work of a vCPU's thread: it enters the guest and serves the exit, again and again, until the domain stops. An
/// exception of it makes [Vcpu] stop the domain.
public final class ExitLoop {
    /// `KVM_SYSTEM_EVENT_CRASH`.
    private static final int SYSTEM_EVENT_CRASH = 3;

    private static final int GENERAL_PROTECTION = 13;

    /// The number of first exits at which KVM leaves all registers in kvm_run, for a triple fault that may follow. A
    /// kernel makes fewer until its own exception handlers work. After them each exit has to be cheap.
    private static final long YOUNG_EXITS = 10_000;

    private final Domain domain;
    private final Vcpu vcpu;
    private final KvmVcpu kvm;
    private final KvmRun run;
    private final SyncedCpuState cpu;
    private final HypercallContext call;
    private final HypercallDispatcher dispatcher;
    private final HypercallMsr msr;
    private final PortBus ports;
    private final ExitMetrics.Counts exits;
    private final LastExit last = new LastExit();

    public ExitLoop(
            Domain domain,
            Vcpu vcpu,
            KvmVcpu kvm,
            SyncedCpuState cpu,
            HypercallContext call,
            HypercallDispatcher dispatcher,
            HypercallMsr msr,
            PortBus ports,
            ExitMetrics.Counts exits) {
        this.domain = domain;
        this.vcpu = vcpu;
        this.kvm = kvm;
        this.run = kvm.run();
        this.cpu = cpu;
        this.call = call;
        this.dispatcher = dispatcher;
        this.msr = msr;
        this.ports = ports;
        this.exits = exits;
    }

    public void loop() {
        vcpu.park();
        while (!vcpu.isStopping()) {
            boolean completed = enter();
            if (vcpu.takeRequest()) {
                vcpu.serveMailbox();
                if (vcpu.isHeld() || vcpu.isGoingDown()) {
                    rest(completed);
                }
                domain.delivery().retry(vcpu.id());
            }
        }
    }

    /// Enters the guest, and serves the exit.
    ///
    /// @return whether KVM is known to have completed all exits so far, and has left the guest since
    private boolean enter() {
        int errno = kvm.enter();
        if (errno == Errno.EINTR) {
            exits.add(ExitReason.INTR);
            tell(ExitReason.INTR);
            run.clearImmediateExit();
        } else if (errno == Errno.EFAULT) {
            exits.add(ExitReason.MEMORY_FAULT);
            tell(ExitReason.MEMORY_FAULT);
            refuse();
        } else if (errno == 0) {
            serve();
        }
        return errno == Errno.EINTR;
    }

    /// Parks the vCPU, or puts it down, or both. Before that, KVM completes the last exit: an entry that has to end at
    /// once does only that. Completing a part of an instruction may cause the next exit. KVM goes back to the guest
    /// within 1024 of these.
    ///
    /// One of these entries may use up the kick of a request that comes meanwhile. So the next entry ends at once too,
    /// and the loop looks again.
    private void rest(boolean alreadyCompleted) {
        boolean completed = alreadyCompleted;
        while (!completed && !vcpu.isStopping()) {
            run.requestImmediateExit();
            completed = enter();
        }
        vcpu.goDown();
        vcpu.park();
        if (!alreadyCompleted) {
            run.requestImmediateExit();
        }
    }

    /// Raises a general protection fault, because the guest wrote to a read-only page or to a hole beside pages that it
    /// maps. Xen raises it for a read-only page.
    private void refuse() {
        // Kernels before 6.8 do not give the address.
        boolean known = run.exitReason() == ExitReason.MEMORY_FAULT;
        DomainMemory memory = domain.memory();
        if (!(known ? memory.mayRefuse(run.faultAddress()) : memory.mayRefuseSome())) {
            throw new KvmException("KVM_RUN", Errno.EFAULT, vcpu.toString());
        }
        kvm.raise(GENERAL_PROTECTION, 0);
    }

    private void serve() {
        ExitReason reason = run.exitReason();
        exits.add(reason);
        if (reason == ExitReason.SHUTDOWN) {
            tell(reason);
            domain.shutdown(
                    ShutdownReason.TRIPLE_FAULT, TripleFault.describe(vcpu, kvm, last, call));
            return;
        }
        last.keep(run, reason, cpu.hasRegisters());
        if (last.exits() == YOUNG_EXITS) {
            cpu.leaveRegistersOut();
        }
        if (reason == ExitReason.XEN) {
            hypercall();
        } else {
            serveRarer(reason);
        }
    }

    private void serveRarer(ExitReason reason) {
        tell(reason);
        switch (reason) {
            case IO -> io();
            case MMIO -> mmio();
            case X86_RDMSR -> msr.read();
            case X86_WRMSR -> msr.write();
            case SYSTEM_EVENT -> systemEvent();
            // HYPERV: a page of a synthetic interrupt controller has moved. KVM itself has the
            // page.
            case INTR, IRQ_WINDOW_OPEN, SET_TPR, HLT, HYPERV -> {}
            default -> domain.shutdown(ShutdownReason.HOST_ERROR, describe(reason));
        }
    }

    /// Tells the domain's observer of an exit that is no hypercall.
    private void tell(ExitReason reason) {
        DomainObserver observer = domain.observer();
        if (observer == null) {
            return;
        }
        switch (reason) {
            case IO -> observer.exited(vcpu.id(), reason, run.ioPort(), run.ioSize(), run.ioOut());
            case MMIO ->
                    observer.exited(
                            vcpu.id(),
                            reason,
                            run.mmioAddress(),
                            run.mmioLength(),
                            run.mmioWrite());
            case X86_RDMSR, X86_WRMSR ->
                    observer.exited(
                            vcpu.id(),
                            reason,
                            Integer.toUnsignedLong(run.msrIndex()),
                            Long.BYTES,
                            reason == ExitReason.X86_WRMSR);
            default -> observer.exited(vcpu.id(), reason, 0, 0, false);
        }
    }

    private void hypercall() {
        cpu.hypercallBegins();
        call.begin(run.xenInput(), run.xenCpl());
        for (int i = 0; i < HypercallContext.PARAMETERS; i++) {
            call.setParameter(i, run.xenParam(i));
        }
        long result = dispatcher.dispatch(call);
        if (result == HypercallContext.CONTINUED) {
            ContinuedCall.prepare(kvm, call);
        } else {
            run.xenResult(result);
        }
        cpu.hypercallEnds();
    }

    private void io() {
        int port = run.ioPort();
        int size = run.ioSize();
        int count = run.ioCount();
        for (int i = 0; i < count; i++) {
            if (run.ioOut()) {
                ports.write(port, size, run.ioData(i));
            } else {
                run.ioData(i, ports.read(port, size));
            }
        }
    }

    /// Serves an access to memory without a device: a read sees an empty bus, a write has no effect. User space has no
    /// memory-mapped devices.
    private void mmio() {
        if (!run.mmioWrite()) {
            run.mmioData(-1);
        }
    }

    /// A guest with enlightenments has told of its crash. As with Xen, the shutdown that follows has that reason.
    private void systemEvent() {
        if (run.systemEventType() == SYSTEM_EVENT_CRASH) {
            domain.announceShutdown(ShutdownReason.CRASH.code());
        } else {
            domain.shutdown(ShutdownReason.HOST_ERROR, describe(ExitReason.SYSTEM_EVENT));
        }
    }

    private String describe(ExitReason reason) {
        return switch (reason) {
            case INTERNAL_ERROR ->
                    vcpu
                            + ": KVM cannot emulate an instruction of the guest (suberror "
                            + run.suberror()
                            + ")";
            case FAIL_ENTRY ->
                    "%s: the processor refused to enter the guest (reason %#x)"
                            .formatted(vcpu, run.hardwareReason());
            default -> vcpu + ": unexpected exit " + reason + " (" + run.exitNumber() + ")";
        };
    }
}
