package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/// SCHEDOP_poll and SCHEDOP_block.
final class PollCallsTest extends CallingGuest {
    /// Where polled ports are listed, and a time that is over.
    private static final long PORTS = ARG + 0x1000;

    private static final long LONG_AGO = 1;

    /// shared_info's place among the special pages, and its bitmap of pending ports.
    private static final int SHARED_INFO =
            Math.toIntExact(GuestMemoryMap.SPECIAL_SIZE / GuestMemoryMap.PAGE_SIZE);

    private static final long EVTCHN_PENDING = 0x800;

    /// In vCPU 0's vcpu_info, with which shared_info begins.
    private static final long UPCALL_PENDING = 0;

    private static final long UPCALL_MASK = 1;

    PollCallsTest() throws BootException, XenError {
        super(new TestDomain(2));
    }

    /// A `struct sched_poll`.
    private long poll(int count, long ports, long timeout) throws XenError {
        memory.write64(ARG, ports);
        memory.write32(ARG + 8, count);
        memory.write64(ARG + 16, timeout);
        return call(SCHED_OP, 3, ARG);
    }

    @Test
    void pollTakesAsManyPortsAsXen() throws XenError {
        int port = allocUnbound();
        for (int i = 0; i < 128; i++) {
            memory.write32(PORTS + 4L * i, port);
        }

        assertEquals(0, poll(128, PORTS, LONG_AGO));
        assertEquals(-22, poll(129, PORTS, LONG_AGO));
    }

    @Test
    void pollOfAPendingPortReturnsAtOnce() throws XenError {
        int idle = allocUnbound();
        int pending = allocUnbound();
        memory.write32(PORTS, idle);
        memory.write32(PORTS + 4, pending);
        guest.domain()
                .special()
                .page(SHARED_INFO)
                .set(ValueLayout.JAVA_INT, EVTCHN_PENDING, 1 << pending);

        assertEquals(0, poll(2, PORTS, 0));
    }

    @Test
    void pollChecksItsPorts() throws XenError {
        assertEquals(-14, poll(1, NOWHERE, LONG_AGO));
        memory.write32(PORTS, 4096);
        assertEquals(-22, poll(1, PORTS, LONG_AGO));
        assertEquals(0, poll(0, NOWHERE, LONG_AGO));
    }

    @Test
    void pollOfAClosedPortIsEinval() throws XenError {
        int port = allocUnbound();
        memory.write32(PORTS, port);
        memory.write32(ARG, port);
        assertEquals(0, call(EVENT_CHANNEL_OP, CLOSE, ARG));

        assertEquals(-22, poll(1, PORTS, LONG_AGO));
    }

    /// Xen looks at the ports one after the other.
    @Test
    void pollDoesNotLookBehindAPendingPort() throws XenError {
        int pending = allocUnbound();
        memory.write32(PORTS, pending);
        memory.write32(PORTS + 4, 4096);
        guest.domain()
                .special()
                .page(SHARED_INFO)
                .set(ValueLayout.JAVA_INT, EVTCHN_PENDING, 1 << pending);

        assertEquals(0, poll(2, PORTS, 0));
        memory.write32(PORTS, 4096);
        memory.write32(PORTS + 4, pending);
        assertEquals(-22, poll(2, PORTS, 0));
    }

    @Test
    void pollOfA32BitGuestHasItsPortsElsewhere() throws XenError {
        int port = allocUnbound();
        memory.write32(PORTS, port);
        memory.write32(ARG, (int) PORTS);
        memory.write32(ARG + 4, 1);
        memory.write64(ARG + 8, LONG_AGO);

        assertEquals(0, call(narrow, SCHED_OP, 3, ARG));
    }

    @Test
    void blockLetsUpcallsComeAndReturnsIfOneIsPending() throws XenError {
        MemorySegment vcpuInfo = guest.domain().special().page(SHARED_INFO);
        vcpuInfo.set(ValueLayout.JAVA_BYTE, UPCALL_PENDING, (byte) 1);
        vcpuInfo.set(ValueLayout.JAVA_BYTE, UPCALL_MASK, (byte) 1);

        assertEquals(0, call(SCHED_OP, 1, 0));

        assertEquals(1, vcpuInfo.get(ValueLayout.JAVA_BYTE, UPCALL_PENDING));
        assertEquals(0, vcpuInfo.get(ValueLayout.JAVA_BYTE, UPCALL_MASK));
    }
}
