package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindVirq;
import io.xenemu.kvm.testing.LeastAllocation;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Reading and writing a hypercall's argument leaves no garbage.
class AllocationTest {
    private static final int CALLS = 20_000;

    @ParameterizedTest
    @EnumSource
    void argumentsAllocateNothing(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            assertEquals(
                    0,
                    LeastAllocation.of(() -> hypercalls(guest)),
                    "bytes for " + CALLS + " hypercalls");
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
