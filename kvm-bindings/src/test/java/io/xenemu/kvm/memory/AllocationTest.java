package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindVirq;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Reading and writing a hypercall's argument leaves no garbage.
class AllocationTest {
    private static final int CALLS = 20_000;

    /// Until compiled code is in use; the interpreter may allocate.
    private static final int ROUNDS = 50;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @ParameterizedTest
    @EnumSource
    void argumentsAllocateNothing(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            long least = Long.MAX_VALUE;
            for (int round = 0; round < ROUNDS && least > 0; round++) {
                long before = THREADS.getCurrentThreadAllocatedBytes();
                hypercalls(guest);
                least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least, "bytes for " + CALLS + " hypercalls");
        }
    }

    private static void hypercalls(PagedGuest guest) throws XenError {
        GuestArgument argument = guest.argument;
        for (int call = 0; call < CALLS; call++) {
            // Half of them straddle a page.
            long address = PagedGuest.BASE + 4096 - (call & 15);
            argument.copyIn(BindVirq.STRUCT, address);
            argument.set(BindVirq.PORT, argument.get(BindVirq.VIRQ) + call);
            argument.copyOut(BindVirq.PORT, address);
            argument.copyOut(BindVirq.STRUCT, PagedGuest.BASE, call & 7);
            argument.linear().writeUlong(PagedGuest.BASE, call);
            guest.memory.atomics().getAndOr16(PagedGuest.gpa(0), 1);
        }
    }
}
