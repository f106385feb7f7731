package io.xenemu.core.machine;

import io.xenemu.core.boot.HypercallPage;
import io.xenemu.core.domain.Domain;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.memory.GuestMemory;

/// The MSR with which a guest fills its hypercall page and tells its width. The guest's accesses do not reach KVM, for
/// two reasons. KVM would change its number of ports without `SharedInfo.latchWidth`, and it takes any code in a long
/// mode segment for 64-bit.
///
/// Every refusal is a general protection fault. Source: `guest_wrmsr_xen` in Xen's arch/x86/traps.c.
public final class HypercallMsr {
    /// EFER's bit for active long mode.
    private static final long LONG_MODE_ACTIVE = 1L << 10;

    private final Domain domain;
    private final KvmVcpu kvm;
    private final KvmRun run;
    private final HypercallPage page;

    /// The MSR's number: it is another for a guest that sees Hyper-V too.
    private final int index;

    /// Serves the MSR for the thread that runs `kvm`.
    public HypercallMsr(Domain domain, KvmVcpu kvm, HypercallPage page) {
        this.domain = domain;
        this.kvm = kvm;
        this.run = kvm.run();
        this.page = page;
        this.index = domain.config().cpu().hypercallMsr();
    }

    /// Serves an exit X86_RDMSR: the MSR reads as zero.
    public void read() {
        if (run.msrIndex() == index) {
            run.msrData(0);
        } else {
            run.refuseMsr();
        }
    }

    /// Serves an exit X86_WRMSR: latches the domain's width, then fills the page.
    public void write() {
        if (run.msrIndex() != index || !fill(run.msrData())) {
            run.refuseMsr();
        }
    }

    /// @param value the page's guest-physical address, with the number of the hypercall page in the low 12 bits
    /// @return false if there is no such hypercall page, or the frame is not the guest's own RAM
    private boolean fill(long value) {
        long gfn = Long.divideUnsigned(value, GuestMemory.PAGE_SIZE);
        if (Long.remainderUnsigned(value, GuestMemory.PAGE_SIZE) != 0
                || domain.memory().pageAt(gfn) < 0) {
            return false;
        }
        domain.sharedInfo().latchWidth(width());
        try {
            page.writeTo(domain.memory().guest(), value);
        } catch (XenError e) {
            // Another vCPU has removed the page meanwhile.
            return false;
        }
        return true;
    }

    private GuestWidth width() {
        KvmSregs registers = kvm.getSregs();
        boolean wide = registers.csLong() && (registers.efer() & LONG_MODE_ACTIVE) != 0;
        return wide ? GuestWidth.BITS_64 : GuestWidth.BITS_32;
    }
}
