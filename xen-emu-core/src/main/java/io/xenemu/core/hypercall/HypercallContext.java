package io.xenemu.core.hypercall;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.gnttab.GrantCopy;
import io.xenemu.gnttab.MapBatch;
import io.xenemu.gnttab.UnmapBatch;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.memory.GuestArgument;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The hypercall that a vCPU is making: its registers, and access to its argument in memory. One per vCPU, reused for
/// each call, used only by the vCPU's thread.
public final class HypercallContext {
    /// Parameter registers of a hypercall (rdi rsi rdx r10 r8 r9; ebx ecx edx esi edi ebp).
    public static final int PARAMETERS = 6;

    /// A handler's result if the guest is to make the call again with the parameters as they are now: Xen's
    /// `-ERESTART`. No guest sees it.
    public static final long CONTINUED = -85;

    private final Domain domain;
    private final Vcpu vcpu;
    private final GuestArgument argument;
    private final long[] parameters = new long[PARAMETERS];
    private final MapBatch maps = new MapBatch();
    private final UnmapBatch unmaps = new UnmapBatch();
    private @Nullable GrantCopy grantCopy;

    /// Whether the call has had access to its argument in memory: only then is there something to forget.
    private boolean argumentUsed;

    /// Serves the vCPU's calls, since the first one.
    private @Nullable HypercallDispatcher dispatcher;

    private boolean inMulticall;
    private long number;
    private int cpl;

    public HypercallContext(Domain domain, Vcpu vcpu, GuestArgument argument) {
        this.domain = domain;
        this.vcpu = vcpu;
        this.argument = argument;
    }

    /// Begins a new call. `setParameter` follows for each register.
    public void begin(long number, int cpl) {
        if (argumentUsed) {
            argumentUsed = false;
            argument.linear().forget();
        }
        this.number = number;
        this.cpl = cpl;
    }

    /// Sets parameter register `i`, 0 to 5.
    public void setParameter(int i, long value) {
        parameters[i] = value;
    }

    /// Notes the dispatcher that serves the call, for the calls of a multicall.
    void servedBy(HypercallDispatcher server) {
        // A write in each call would cost more than this check.
        if (dispatcher != server) {
            dispatcher = server;
        }
    }

    /// The dispatcher for the calls of this multicall.
    HypercallDispatcher dispatcher() {
        return Objects.requireNonNull(dispatcher);
    }

    /// Begins a multicall.
    ///
    /// @return false if the call is in one already
    boolean beginMulticall() {
        if (inMulticall) {
            return false;
        }
        inMulticall = true;
        return true;
    }

    /// Makes this a call of a multicall.
    void setNumber(long next) {
        number = next;
    }

    /// Ends the multicall, and restores its number.
    void endMulticall(long outer) {
        inMulticall = false;
        number = outer;
    }

    /// Whether a long call is to end early, with [#CONTINUED] (Xen's `hypercall_preempt_check`): the vCPU is to park or
    /// to go down, or the domain has ended.
    boolean isPreempted() {
        return vcpu.isHeld() || vcpu.isGoingDown() || vcpu.isStopping();
    }

    /// The domain that the calling vCPU belongs to.
    public Domain domain() {
        return domain;
    }

    /// The calling vCPU.
    public Vcpu vcpu() {
        return vcpu;
    }

    /// Copies arguments in and out of guest memory, by guest virtual address.
    public GuestArgument argument() {
        argumentUsed = true;
        return argument;
    }

    /// The vCPU's reusable batch of mappings of grants.
    MapBatch maps() {
        return maps;
    }

    /// The vCPU's reusable batch of ends of such mappings.
    UnmapBatch unmaps() {
        return unmaps;
    }

    /// The vCPU's reusable grant copy.
    GrantCopy grantCopy() {
        GrantCopy copy = grantCopy;
        if (copy == null) {
            copy = domain.grantTable().newCopy();
            grantCopy = copy;
        }
        return copy;
    }

    /// The guest's RAX or EAX.
    public long number() {
        return number;
    }

    /// A parameter register as a guest address or `unsigned long`.
    public long word(int i) {
        return parameters[i];
    }

    /// A parameter that the C prototype declares as `int` or `unsigned int`: the register's low 32 bits, as in the C
    /// calling convention.
    public int u32(int i) {
        return (int) (parameters[i] & 0xffff_ffffL);
    }

    /// The caller's mode, which selects the layout of its structures.
    public GuestWidth width() {
        return argument.width();
    }

    /// The caller's privilege level, 0 to 3.
    public int cpl() {
        return cpl;
    }
}
