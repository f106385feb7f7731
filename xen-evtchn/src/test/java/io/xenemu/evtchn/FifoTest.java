package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.port;
import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// The FIFO ABI.
final class FifoTest {
    private final Arena arena = Arena.ofShared();
    private final FifoGuest guest = new FifoGuest(arena, 2);
    private final EventChannels channels = guest.guest.channels;

    @AfterEach
    void free() {
        arena.close();
    }

    private static void assertFails(XenError expected, Executable operation) {
        assertSame(expected, assertThrows(XenError.class, operation));
    }

    /// IPIs to a vCPU, from port 1 on.
    private void bindIpis(int count, int vcpu) throws XenError {
        for (int i = 0; i < count; i++) {
            channels.bindIpi(vcpu(vcpu));
        }
    }

    private void send(int... ports) throws XenError {
        for (int port : ports) {
            channels.send(port(port));
        }
    }

    @Test
    void initControlRefusesWhatXenRefuses() throws XenError {
        guest.guest.pages.put(1L, arena.allocate(4096, 4096));
        assertFails(XenError.ENOENT, () -> channels.initControl(vcpu(2), 1, 0));
        assertFails(XenError.EINVAL, () -> channels.initControl(vcpu(0), 1, 4));
        assertFails(XenError.EINVAL, () -> channels.initControl(vcpu(0), 1, 4032));
        assertFails(XenError.EINVAL, () -> channels.initControl(vcpu(0), 1, -8));
        assertFails(XenError.EINVAL, () -> channels.initControl(vcpu(0), 2, 0));
        assertFalse(channels.isFifo());
        assertEquals(17, channels.initControl(vcpu(0), 1, 4024));
        assertTrue(channels.isFifo());
        assertFails(XenError.EINVAL, () -> channels.initControl(vcpu(0), 1, 0));
        assertEquals(17, channels.initControl(vcpu(1), 1, 0));
    }

    /// The kernel would look for events in the bitmaps.
    @Test
    void kernelServesPollsUnlessTheGuestHasSwitchedToFifo() throws XenError {
        assertTrue(guest.guest.kernel.polls);
        guest.start(1);
        assertFalse(guest.guest.kernel.polls);
        channels.reset(DomId.SELF);
        assertTrue(guest.guest.kernel.polls);
    }

    @Test
    void expandArrayRefusesWhatXenRefuses() throws XenError {
        assertFails(XenError.EOPNOTSUPP, () -> channels.expandArray(1));
        guest.start(128);
        assertFails(XenError.ENOSPC, () -> channels.expandArray(0x2000));
        channels.reset(DomId.SELF);
        assertFails(XenError.EOPNOTSUPP, () -> channels.expandArray(0x2000));
    }

    @Test
    void aMissingPageIsEinvalAndTheCallCanBeRepeated() throws XenError {
        guest.start(0);
        assertFails(XenError.EINVAL, () -> channels.expandArray(99));
        guest.expand();
        bindIpis(1, 0);
        send(1);
        assertTrue(guest.pending(1));
    }

    @Test
    void setPriorityRefusesWhatXenRefuses() throws XenError {
        assertFails(XenError.ENOSYS, () -> channels.setPriority(port(1), 3));
        guest.start(1);
        assertFails(XenError.EACCES, () -> channels.setPriority(port(1), 16));
        bindIpis(1, 0);
        channels.setPriority(port(1), 15);
        assertFails(XenError.EINVAL, () -> channels.setPriority(port(1), 16));
        assertFails(XenError.EINVAL, () -> channels.setPriority(port(1), -1));
        assertFails(XenError.EINVAL, () -> channels.setPriority(port(64), 1));
    }

    @Test
    void unmaskOfAClosedPortLeavesItMasked() throws XenError {
        guest.start(1);
        bindIpis(1, 0);
        channels.close(port(1));
        guest.mask(1);
        channels.unmask(port(1));
        assertEquals(FifoGuest.MASKED, guest.word(1));
    }

    @Test
    void eventsOfOnePriorityComeInTheOrderOfSending() throws XenError {
        guest.start(1);
        bindIpis(5, 1);
        send(3, 1, 5, 2, 1);
        assertEquals(1 << 7, guest.ready(1));
        assertEquals(3, guest.head(1, 7));
        assertEquals(List.of(1), guest.guest.upcalls);
        assertEquals(List.of(3, 1, 5, 2), guest.consume(1));
        send(4);
        assertEquals(List.of(4), guest.consume(1));
        assertEquals(List.of(), guest.consume(0));
    }

    @Test
    void moreUrgentEventsComeFirst() throws XenError {
        guest.start(1);
        bindIpis(3, 0);
        channels.setPriority(port(1), 15);
        channels.setPriority(port(3), 0);
        send(1, 2, 3);
        assertEquals(1 | 1 << 7 | 1 << 15, guest.ready(0));
        assertEquals(List.of(3, 2, 1), guest.consume(0));
    }

    @Test
    void aReusedPortHasTheDefaultPriorityAgain() throws XenError {
        guest.start(1);
        bindIpis(1, 0);
        channels.setPriority(port(1), 2);
        channels.close(port(1));
        bindIpis(1, 0);
        send(1);
        assertEquals(1 << 7, guest.ready(0));
    }

    @Test
    void aPortWhoseLastEventIsStillQueuedIsNotReused() throws XenError {
        guest.start(1);
        bindIpis(2, 0);
        send(1);
        channels.close(port(1));
        assertFalse(guest.pending(1));
        assertTrue(guest.linked(1));
        assertEquals(port(3), channels.bindIpi(vcpu(0)));
        assertEquals(List.of(), guest.consume(0), "closed");
        assertEquals(port(1), channels.bindIpi(vcpu(0)));
    }

    @Test
    void aMaskedEventWaitsForUnmask() throws XenError {
        guest.start(1);
        bindIpis(1, 0);
        guest.mask(1);
        send(1);
        assertTrue(guest.pending(1));
        assertFalse(guest.linked(1));
        assertEquals(List.of(), guest.guest.upcalls);
        channels.unmask(port(1));
        assertEquals(List.of(0), guest.guest.upcalls);
        assertEquals(List.of(1), guest.consume(0));
    }

    @Test
    void anEventThatIsMaskedInItsQueueComesWithUnmask() throws XenError {
        guest.start(1);
        bindIpis(2, 0);
        send(1, 2);
        guest.mask(1);
        assertEquals(List.of(2), guest.consume(0));
        channels.unmask(port(1));
        assertEquals(List.of(1), guest.consume(0));
    }

    @Test
    void anEventThatGoesToAnotherQueueLeavesNoTailBehind() throws XenError {
        guest.start(1);
        EvtchnPort moving = channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort sender = channels.bindInterdomain(DomId.SELF, moving);
        bindIpis(1, 0);
        bindIpis(1, 1);
        guest.consume(0);
        channels.send(sender);
        assertEquals(List.of(1), guest.consume(0));
        channels.bindVcpu(moving, vcpu(1));
        send(4);
        channels.send(sender);
        send(3);
        assertEquals(List.of(3), guest.consume(0));
        assertEquals(List.of(4, 1), guest.consume(1));
    }

    @Test
    void eventsPendingAtTheSwitchArriveWithTheirPageOfEventWords() throws XenError {
        bindIpis(3, 1);
        guest.guest.setMasked(3, true);
        send(1, 3);
        guest.guest.takeUpcall(1);
        guest.start(0);
        send(2);
        assertEquals(List.of(1), guest.guest.upcalls);
        guest.expand();
        assertEquals(List.of(1, 1), guest.guest.upcalls);
        assertEquals(List.of(1, 2, 3), guest.consume(1), "2-level masks do not count");
        assertFalse(guest.guest.pending(1), "not for the next use of the 2-level ABI");
    }

    @Test
    void resetLeadsBackToTheTwoLevelAbi() throws XenError {
        guest.start(1);
        bindIpis(1, 0);
        assertTrue(guest.guest.kernel.table.isEmpty());
        channels.reset(DomId.SELF);
        bindIpis(1, 0);
        send(1);
        assertTrue(guest.guest.pending(1));
        assertFalse(guest.pending(1));
        assertEquals(1, guest.guest.kernel.table.size());
    }

    @Test
    void withFifoTheKernelServesEventfdsOnly() throws XenError {
        bindIpis(1, 0);
        EvtchnPort toService = channels.allocUnbound(DomId.SELF, DomId.DOM0);
        guest.guest.service.bindInterdomain(FakeGuest.ID, toService, () -> {});
        EvtchnPort loop = channels.allocUnbound(DomId.SELF, DomId.SELF);
        channels.bindInterdomain(DomId.SELF, loop);
        EvtchnPort timer = channels.bindVirq(Virq.TIMER, vcpu(0));
        assertEquals(timer, channels.timerPort(vcpu(0)));
        assertEquals(4, guest.guest.kernel.table.size());
        guest.start(1);
        assertEquals(List.of(2), List.copyOf(guest.guest.kernel.table.keySet()));
        assertEquals(EvtchnPort.NONE, channels.timerPort(vcpu(0)));
        assertEquals(List.of(vcpu(0), vcpu(0), vcpu(1)), guest.guest.kernel.timerChanges);
        channels.bindIpi(vcpu(0));
        assertEquals(1, guest.guest.kernel.table.size());
    }

    @Test
    void moreThan4096PortsCanBeBound() throws XenError {
        guest.start(5);
        bindIpis(5000, 0);
        send(5000, 4096);
        assertEquals(List.of(5000, 4096), guest.consume(0));
    }

    @Test
    void thereAre131071Ports() throws XenError {
        guest.start(0);
        bindIpis(131071, 0);
        assertFails(XenError.ENOSPC, () -> channels.bindIpi(vcpu(0)));
        channels.close(port(70000));
        assertEquals(port(70000), channels.bindIpi(vcpu(0)));
    }

    @Test
    void anEventForAVcpuWithoutControlBlockStaysPending() throws XenError {
        guest.initControl(0);
        guest.expand();
        bindIpis(1, 1);
        send(1);
        assertTrue(guest.pending(1));
        assertFalse(guest.linked(1));
        guest.initControl(1);
        channels.unmask(port(1));
        assertEquals(List.of(1), guest.consume(1));
    }

    /// Nothing that the guest writes into its own words harms anything but its own events.
    @Test
    void linksOfTheGuestAreNeverFollowed() throws XenError {
        guest.start(1);
        bindIpis(3, 0);
        send(1);
        guest.setWord(1, -1);
        send(2, 3);
        assertEquals(2, guest.word(1) & FifoGuest.LINK, "the last event was still LINKED");
        guest.setWord(2, FifoGuest.LINK);
        guest.setWord(3, 0);
        send(1, 2, 3);
        assertEquals(3, guest.word(2) & FifoGuest.LINK);
        assertEquals(2, guest.head(0, 7), "a new list, since the last event had been taken");
    }
}
