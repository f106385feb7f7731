package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A guest that uses the FIFO ABI.
@Timeout(60)
final class FifoCallsTest extends CallingGuest {
    private static final int SET_TIMER_OP = 15;
    private static final int BIND_VIRQ = 1;
    private static final int INIT_CONTROL = 11;
    private static final int EXPAND_ARRAY = 12;

    private static final long CONTROL_GFN = 0x90;
    private static final long ARRAY_GFN = 0x91;
    private static final long NO_GFN = 0x4_0000;
    private static final int PENDING = 1 << 31;

    FifoCallsTest() throws BootException, XenError {
        super(new TestDomain(1, new EventChannelConfig(true, EvtchnOptions.UNLIMITED, false)));
    }

    private long initControl(long gfn) throws XenError {
        memory.write64(ARG, gfn);
        memory.write32(ARG + 8, 0);
        memory.write32(ARG + 12, 0);
        return call(EVENT_CHANNEL_OP, INIT_CONTROL, ARG);
    }

    private long expandArray(long gfn) throws XenError {
        memory.write64(ARG, gfn);
        return call(EVENT_CHANNEL_OP, EXPAND_ARRAY, ARG);
    }

    @Test
    void pagesHaveToBeMemory() throws XenError {
        assertEquals(-22, initControl(NO_GFN));
        assertEquals(-95, expandArray(ARRAY_GFN));
        assertEquals(0, initControl(CONTROL_GFN));
        assertEquals(17, memory.read8(ARG + 16));
        assertEquals(-22, expandArray(NO_GFN));
        assertEquals(0, expandArray(ARRAY_GFN));
    }

    private int bindTimer() throws XenError {
        assertEquals(0, initControl(CONTROL_GFN));
        assertEquals(0, expandArray(ARRAY_GFN));
        memory.write32(ARG, 0);
        memory.write32(ARG + 4, 0);
        assertEquals(0, call(EVENT_CHANNEL_OP, BIND_VIRQ, ARG));
        return memory.read32(ARG + 8);
    }

    private boolean isPending(int port) throws XenError {
        return (memory.read32(ARRAY_GFN * 4096 + 4L * port) & PENDING) != 0;
    }

    @Test
    void timerIsRunInUserSpace() throws XenError {
        int port = bindTimer();

        assertEquals(0, call(SET_TIMER_OP, guest.domain().vm().clock() + 20_000_000));

        // The queue is made ready last.
        Eventually.holds("a queue is ready", () -> memory.read32(CONTROL_GFN * 4096) != 0);
        assertEquals(1 << 7, memory.read32(CONTROL_GFN * 4096), "at the default priority");
        assertTrue(isPending(port));
    }

    @Test
    void timerWhoseTimeIsOverFiresBeforeTheCallReturns() throws XenError {
        int port = bindTimer();

        assertEquals(0, call(SET_TIMER_OP, 1));

        assertTrue(isPending(port));
    }

    @Test
    void fifoIsEnosysForAGuestThatMayNotUseIt() throws BootException, XenError {
        try (TestDomain plain = new TestDomain(1)) {
            HypercallContext caller = plain.caller(0, true);
            caller.begin(EVENT_CHANNEL_OP, 0);
            caller.setParameter(0, INIT_CONTROL);
            caller.setParameter(1, ARG);
            plain.memory().write64(ARG, CONTROL_GFN);
            assertEquals(-38, plain.dispatcher().dispatch(caller));
        }
    }
}
