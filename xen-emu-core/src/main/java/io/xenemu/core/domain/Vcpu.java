package io.xenemu.core.domain;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenCapability;
import java.util.BitSet;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// One vCPU of a domain: its side of the VM, its thread, and its registered areas.
public final class Vcpu {
    /// MSR_KERNEL_GS_BASE.
    private static final int KERNEL_GS_BASE = 0xc000_0102;

    private final VcpuId id;
    private final VcpuPort port;
    private final Thread thread;
    private final VcpuMailbox mailbox = new VcpuMailbox();
    private final VcpuGate gate = new VcpuGate();
    private final VcpuPower power = new VcpuPower();
    private final RunstateAccount account;
    private final VcpuAreas areas;
    private final VcpuTimer timer;
    private volatile ThreadActivity.@Nullable Source activity;
    private volatile ThreadActivity ended = ThreadActivity.NONE;

    /// Whether a request may wait for the vCPU's thread. A request is made first, and then announced here. An exit
    /// without a request reads only this field.
    private volatile boolean requested;

    private volatile boolean started;
    private final VcpuAffinity affinity = new VcpuAffinity();
    private volatile boolean stopping;

    public Vcpu(Domain domain, VcpuId id, VcpuPort port, Consumer<Vcpu> loop) {
        this.id = id;
        this.port = port;
        this.account =
                new RunstateAccount(
                        port,
                        domain.capabilities().contains(XenCapability.RUNSTATE),
                        () -> domain.vm().clock());
        this.areas = new VcpuAreas(this, domain, account);
        this.timer =
                new VcpuTimer(
                        port,
                        domain.eventChannels(),
                        id,
                        domain.timers(),
                        () -> domain.vm().clock());
        this.thread = new VcpuThread(domain.id() + "-" + id, this, () -> run(domain, loop));
    }

    /// Runs the loop. However it ends, the domain must not go on without this vCPU, and no thread may wait for it.
    private void run(Domain domain, Consumer<Vcpu> loop) {
        try {
            activity = ThreadActivity.ofThisThread();
            affinity.take();
            account.begin();
            loop.accept(this);
        } catch (Throwable e) {
            domain.failed(this, e);
        } finally {
            try {
                ended = activity().atRest();
                activity = null;
            } finally {
                end();
            }
        }
    }

    /// Releases all threads that wait for this one to serve its mailbox or to park.
    private void end() {
        gate.end();
        mailbox.close();
    }

    /// The vCPU's number.
    public VcpuId id() {
        return id;
    }

    /// Its VM's side. Its calls wait until the vCPU has left the guest, so only its own thread uses it.
    VcpuPort port() {
        return port;
    }

    /// The areas that the guest has registered.
    public VcpuAreas areas() {
        return areas;
    }

    /// Its timers; for its own thread.
    public VcpuTimer timer() {
        return timer;
    }

    /// Whether the calling thread is this vCPU's.
    boolean isCurrent() {
        return Thread.currentThread().equals(thread);
    }

    /// Runs `change` on the vCPU's thread, outside of the guest, and waits until it has run. Does nothing if the vCPU
    /// has ended: its domain is being destroyed.
    ///
    /// The guest's state is not defined then: the thread may be within a hypercall, or at an exit that KVM has not
    /// completed. Callers that need a defined state use [Quiescence].
    void call(Consumer<VcpuPort> change) {
        if (isCurrent() || !started) {
            change.accept(port);
            return;
        }
        boolean ran = mailbox.call(() -> change.accept(port), this::wake, current());
        if (!ran && !stopping) {
            throw new IllegalStateException(this + " has ended");
        }
    }

    /// The frequency of its time stamp counter, in kHz; 0 if it has ended.
    public int tscKhz() {
        AtomicInteger khz = new AtomicInteger();
        call(it -> khz.set(it.tscKhz()));
        return khz.get();
    }

    private static @Nullable VcpuMailbox current() {
        return Thread.currentThread() instanceof VcpuThread t ? t.vcpu().mailbox : null;
    }

    /// Makes the vCPU leave the guest and check its mailbox and pending upcalls.
    void wake() {
        requested = true;
        port.kick();
        LockSupport.unpark(thread);
    }

    /// Makes the vCPU check its pending upcalls before it enters the guest; for its own thread.
    void checkBeforeEntry() {
        requested = true;
    }

    /// Whether there may be something to do before the vCPU enters the guest; takes note of it. Called on its thread.
    public boolean takeRequest() {
        if (!requested) {
            return false;
        }
        // Cleared before the caller looks, so that a request made meanwhile is found now or next
        // time.
        requested = false;
        return true;
    }

    /// Serves the mailbox. Called on the vCPU's thread between entries, and by long hypercalls at times. Costs one
    /// volatile read if it is empty.
    public void serveMailbox() {
        mailbox.serve();
    }

    /// Keeps the vCPU out of the guest; see [#awaitParked].
    void hold() {
        if (gate.hold()) {
            wake();
        }
    }

    /// Lets it in again. Its timers have kept running, as on Xen.
    void release() {
        gate.release();
        LockSupport.unpark(thread);
    }

    /// Waits until the vCPU is parked.
    ///
    /// @param deadline by [System#nanoTime]
    /// @return false if it is not by then
    boolean awaitParked(long deadline) {
        return gate.awaitParked(deadline);
    }

    /// Whether the vCPU is to park: its thread is to complete its exit and call [#park]. Long work for the guest ends
    /// early. Costs one volatile read.
    public boolean isHeld() {
        return gate.isHeld();
    }

    /// Waits until the vCPU may enter the guest, or its domain stops; serves the mailbox meanwhile. Called on its
    /// thread before the first entry, and when [#isHeld] and KVM has completed the last exit.
    public void park() {
        boolean stands = standBeforeGate(false);
        while (!gate.pass(stopping)) {
            // First, because a request from before the thread ran could not unpark it.
            mailbox.serve();
            LockSupport.park(this);
            stands = standBeforeGate(stands);
        }
        account.goOn();
    }

    /// Before the gate is passed, so that a vCPU that counts as parked changes no memory.
    private boolean standBeforeGate(boolean already) {
        boolean stands = already || (gate.isHeld() && !stopping);
        if (stands && !already) {
            account.stand(true);
        }
        return stands;
    }

    /// Where the vCPU's thread is; empty if it has none.
    StackTraceElement[] stack() {
        return thread.getStackTrace();
    }

    void start() {
        started = true;
        try {
            thread.start();
        } catch (Throwable e) {
            // The host has no thread left.
            end();
            throw e;
        }
    }

    /// Whether the domain has been stopped: long work for the guest may be abandoned.
    public boolean isStopping() {
        return stopping;
    }

    /// The answer of the vCPU's thread.
    ///
    /// @param ended the answer if the vCPU has ended
    private <T> T ask(T ended, Function<VcpuPort, T> question) {
        AtomicReference<T> answer = new AtomicReference<>(ended);
        call(port -> answer.set(question.apply(port)));
        return answer.get();
    }

    /// Whether the vCPU is up (VCPUOP_is_up). Makes it leave the guest.
    public boolean isUp() {
        return !isDown();
    }

    /// Whether the vCPU will not run again by itself: it was never started, or is down, or has halted with interrupts
    /// disabled. Makes it leave the guest.
    public boolean isDown() {
        return ask(true, power::isDown);
    }

    /// Whether it has registers to run with. Makes it leave the guest.
    public boolean isInitialised() {
        return ask(true, power::isInitialised);
    }

    /// Whether it is down with registers to go on with. Makes it leave the guest.
    boolean isResting() {
        return ask(false, power::isResting);
    }

    /// Whether it is down, as far as KVM does not know it; for its own thread.
    VcpuPower.State savePower() {
        return power.save();
    }

    /// Goes on with a saved vCPU that may be down, before it is started.
    void restorePower(VcpuPower.State saved) {
        power.restore(saved);
        if (saved.goingDown()) {
            wake();
        }
    }

    /// Gives a vCPU that was never started its registers (VCPUOP_initialise). It stays down.
    ///
    /// @throws XenError EEXIST if it has been initialised; EINVAL for registers that the processor refuses
    public void initialise(VcpuStart start) throws XenError {
        boolean done;
        try {
            done = ask(false, port -> power.initialise(port, start));
        } catch (KvmException e) {
            if (e.errno() == Errno.EINVAL) {
                throw XenError.EINVAL;
            }
            throw e;
        }
        if (!done) {
            throw XenError.EEXIST;
        }
    }

    /// Lets it run, if it does not (VCPUOP_up).
    ///
    /// @throws XenError EINVAL if it was never initialised
    public void up() throws XenError {
        if (!ask(true, power::up)) {
            throw XenError.EINVAL;
        }
    }

    /// Puts it down (VCPUOP_down). Does not wait until it has left the guest.
    public void down() {
        power.requestDown();
        wake();
    }

    /// Whether its thread is to call [#goDown] when KVM has completed the last exit. Costs one volatile read.
    public boolean isGoingDown() {
        return power.isGoingDown();
    }

    /// Goes down, if it is to. Called on its thread when [#isGoingDown] and KVM has completed the last exit.
    public void goDown() {
        if (power.goDown(port)) {
            account.stand(false);
        }
    }

    /// Asks the vCPU's thread, but does not wait for it: the thread may be stuck in the host. Not for guests: each
    /// question is kept until the thread has answered it.
    ///
    /// @param question does not wait; of a vCPU that has not started, the caller's thread answers it
    /// @return empty if the vCPU has ended; fails if the VM refuses
    private <T> CompletableFuture<Optional<T>> inquire(Function<VcpuPort, T> question) {
        if (isCurrent() || !started) {
            return CompletableFuture.completedFuture(Optional.of(question.apply(port)));
        }
        AtomicReference<Optional<T>> answer = new AtomicReference<>(Optional.empty());
        return mailbox.post(() -> answer.set(Optional.of(question.apply(port))), this::wake)
                .thenApply(_ -> answer.get());
    }

    /// Its registers, as [#registers], without a wait; empty if the vCPU has ended.
    public CompletableFuture<Optional<VcpuRegisters>> requestRegisters() {
        return inquire(_ -> read());
    }

    /// KVM's state of its processor (runnable, halted, not started), without a wait; empty if the vCPU has ended.
    public CompletableFuture<Optional<MpState>> requestMpState() {
        return inquire(VcpuPort::getMpState);
    }

    /// Whether it is down ([#isDown]), without a wait; empty if the vCPU has ended.
    public CompletableFuture<Optional<Boolean>> requestDown() {
        return inquire(power::isDown);
    }

    /// Lets its thread run on these CPUs of the host alone, without a wait. A vCPU that has not started takes them when
    /// it does.
    ///
    /// @param cpus one that the service may use among them; empty for all that it may use
    /// @return fails if the host refuses
    public CompletableFuture<Optional<Boolean>> requestPin(BitSet cpus) {
        affinity.want(cpus);
        return inquire(_ -> {
            if (isCurrent()) {
                affinity.take();
            }
            return true;
        });
    }

    /// The CPUs of the host that its thread may run on: numbers and ranges with commas, or `all`.
    public String affinity() {
        return affinity.toString();
    }

    /// The state of its timers, without a wait; empty if the vCPU has ended.
    public CompletableFuture<Optional<VcpuTimer.State>> requestTimers() {
        return inquire(_ -> timer.look());
    }

    /// The [#runstate] without a wait; empty if the vCPU has ended.
    public CompletableFuture<Optional<Runstate>> requestRunstate() {
        return inquire(_ -> account.correct(false));
    }

    /// The vCPU's instruction pointer. Makes the vCPU leave the guest.
    public long rip() {
        return ask(0L, port -> port.getRegs().get(Gpr.RIP));
    }

    /// Its registers. Makes it leave the guest. If the vCPU has ended, the caller makes sure that its domain has not
    /// been closed.
    public VcpuRegisters registers() {
        AtomicReference<@Nullable VcpuRegisters> found = new AtomicReference<>();
        call(_ -> found.set(read()));
        VcpuRegisters read = found.get();
        if (read == null) {
            join();
            read = read();
        }
        return read;
    }

    private VcpuRegisters read() {
        return new VcpuRegisters(port.getRegs(), port.getSregs(), port.getMsr(KERNEL_GS_BASE));
    }

    /// Sends the vCPU a non-maskable interrupt.
    public void nmi() {
        call(VcpuPort::nmi);
    }

    /// Requests a non-maskable interrupt. Does not wait for the vCPU's thread, which may be stuck in the host. Not for
    /// guests: each request is kept until the thread has served it.
    ///
    /// @return complete when KVM has it, or the vCPU has ended; fails if KVM refuses it
    public CompletableFuture<@Nullable Void> requestNmi() {
        if (isCurrent() || !started) {
            port.nmi();
            return CompletableFuture.completedFuture(null);
        }
        return mailbox.post(port::nmi, this::wake);
    }

    /// Flushes the vCPU's TLB (HVMOP_flush_tlbs).
    public void flushTlb() {
        call(VcpuPort::flushTlb);
    }

    /// The time that the vCPU has spent in each state until now (VCPUOP_get_runstate_info). Makes it leave the guest.
    public Runstate runstate() {
        return isCurrent()
                ? account.correct(true)
                : ask(Runstate.NONE, _ -> account.correct(false));
    }

    /// Its thread's state, and its CPU time in the guest and outside. Does not disturb the vCPU, unlike [#runstate],
    /// which makes it leave the guest; for an operator's lists.
    public ThreadActivity activity() {
        ThreadActivity.Source source = activity;
        ThreadActivity found = source == null ? null : source.read();
        return found == null ? ended : found;
    }

    /// Ends the loop at the next exit.
    void stop() {
        stopping = true;
        wake();
    }

    /// Waits for the end of the vCPU's thread.
    void join() {
        Uninterruptibles.joinUninterruptibly(thread);
    }

    @Override
    public String toString() {
        return thread.getName();
    }
}
