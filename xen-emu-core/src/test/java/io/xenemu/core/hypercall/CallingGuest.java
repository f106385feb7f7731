package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import org.junit.jupiter.api.AfterEach;

/// A guest that makes hypercalls, with arguments in its memory at the offsets that Xen's headers give.
abstract class CallingGuest {
    static final int SCHED_OP = 29;
    static final int EVENT_CHANNEL_OP = 32;
    static final int SELF = 0x7ff0;
    static final int CLOSE = 3;
    static final int ALLOC_UNBOUND = 6;

    /// Beyond the page tables, and beyond memory.
    static final long NOWHERE = 0x4000_0000;

    static final long ARG = TestDomain.ARGUMENT;

    final TestDomain guest;
    final GuestMemory memory;
    final HypercallDispatcher dispatcher;
    final HypercallContext wide;
    final HypercallContext narrow;

    /// Takes a domain, and ends it after the test.
    CallingGuest(TestDomain guest) {
        this.guest = guest;
        this.memory = guest.memory();
        this.dispatcher = guest.dispatcher();
        this.wide = guest.caller(0, true);
        this.narrow = guest.caller(0, false);
    }

    @AfterEach
    void close() {
        guest.close();
    }

    /// Makes a hypercall of any domain.
    static long call(
            HypercallDispatcher dispatcher,
            HypercallContext caller,
            int number,
            long... parameters) {
        caller.begin(number, 0);
        for (int i = 0; i < parameters.length; i++) {
            caller.setParameter(i, parameters[i]);
        }
        return dispatcher.dispatch(caller);
    }

    long call(HypercallContext caller, int number, long... parameters) {
        return call(dispatcher, caller, number, parameters);
    }

    long call(int number, long... parameters) {
        return call(wide, number, parameters);
    }

    int allocUnbound() throws XenError {
        memory.write16(ARG, SELF);
        memory.write16(ARG + 2, 0);
        assertEquals(0, call(EVENT_CHANNEL_OP, ALLOC_UNBOUND, ARG));
        return memory.read32(ARG + 4);
    }
}
