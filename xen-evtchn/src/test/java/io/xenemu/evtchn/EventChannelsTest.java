package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.port;
import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// Results and errors of every operation.
final class EventChannelsTest {
    private static final DomId NOBODY = new DomId(77);

    private final Arena arena = Arena.ofShared();
    private final FakeGuest guest = FakeGuest.wide(arena);
    private final EventChannels channels = guest.channels;

    @AfterEach
    void free() {
        arena.close();
    }

    private static void assertFails(XenError expected, Executable operation) {
        assertSame(expected, assertThrows(XenError.class, operation));
    }

    private EvtchnPort unbound(DomId remote) throws XenError {
        return channels.allocUnbound(DomId.SELF, remote);
    }

    private EvtchnStatus status(EvtchnPort port) throws XenError {
        return channels.status(DomId.SELF, port);
    }

    @Test
    void portsAreGivenOutFromOneUpwards() throws XenError {
        assertEquals(port(1), unbound(DomId.DOM0));
        assertEquals(port(2), channels.bindIpi(vcpu(0)));
        assertEquals(port(3), channels.bindVirq(Virq.DEBUG, vcpu(0)));
    }

    @Test
    void theLowestFreePortIsUsedFirst() throws XenError {
        for (int i = 1; i <= 130; i++) {
            channels.bindIpi(vcpu(0));
        }
        channels.close(port(100));
        channels.close(port(7));
        assertEquals(port(7), channels.bindIpi(vcpu(0)));
        assertEquals(port(100), channels.bindIpi(vcpu(0)));
        assertEquals(port(131), channels.bindIpi(vcpu(0)));
    }

    @Test
    void sixtyFourBitGuestsHave4095Ports() throws XenError {
        for (int i = 1; i < 4096; i++) {
            unbound(DomId.DOM0);
        }
        assertFails(XenError.ENOSPC, () -> unbound(DomId.DOM0));
        assertFails(XenError.ENOSPC, () -> channels.bindIpi(vcpu(0)));
        assertFails(XenError.ENOSPC, () -> channels.bindVirq(Virq.TIMER, vcpu(0)));
        assertFails(XenError.ENOSPC, () -> channels.bindInterdomain(DomId.SELF, port(1)));
    }

    @Test
    void theHighestPortOfTheConfigurationIsTheLastOne() throws XenError {
        EvtchnOptions options = EvtchnOptions.of(1).withMaxPort(70);
        EventChannels few =
                new FakeGuest(arena, GuestWidth.BITS_64, options, FakeGuest.ID, null).channels;
        for (int i = 1; i <= 70; i++) {
            assertEquals(port(i), few.bindIpi(vcpu(0)));
        }
        assertFails(XenError.ENOSPC, () -> few.bindIpi(vcpu(0)));
        few.close(port(9));
        assertEquals(port(9), few.bindIpi(vcpu(0)));
    }

    @Test
    void thirtyTwoBitGuestsHave1023Ports() throws XenError {
        EventChannels narrow = new FakeGuest(arena, GuestWidth.BITS_32, 1).channels;
        for (int i = 1; i < 1024; i++) {
            narrow.bindIpi(vcpu(0));
        }
        assertFails(XenError.ENOSPC, () -> narrow.bindIpi(vcpu(0)));
    }

    @Test
    void allocUnboundForAnUnknownDomainIsAllowedButInAnUnknownDomainIsEsrch() throws XenError {
        assertEquals(port(1), unbound(NOBODY));
        assertEquals(new EvtchnStatus.Unbound(vcpu(0), NOBODY), status(port(1)));
        assertFails(XenError.ESRCH, () -> channels.allocUnbound(NOBODY, DomId.DOM0));
    }

    @Test
    void allocUnboundInAnotherDomainIsEperm() {
        assertFails(XenError.EPERM, () -> channels.allocUnbound(DomId.DOM0, FakeGuest.ID));
    }

    @Test
    void allocUnboundNamesTheCallerForSelf() throws XenError {
        EvtchnPort port = channels.allocUnbound(FakeGuest.ID, DomId.SELF);
        assertEquals(new EvtchnStatus.Unbound(vcpu(0), FakeGuest.ID), status(port));
    }

    @Test
    void loopbackConnectsTwoPortsAndRaisesTheNewOne() throws XenError {
        EvtchnPort first = unbound(DomId.SELF);
        EvtchnPort second = channels.bindInterdomain(DomId.SELF, first);
        assertEquals(new EvtchnStatus.Interdomain(vcpu(0), FakeGuest.ID, second), status(first));
        assertEquals(new EvtchnStatus.Interdomain(vcpu(0), FakeGuest.ID, first), status(second));
        assertTrue(guest.pending(second.value()));
        assertFalse(guest.pending(first.value()));
        assertEquals(List.of(0), guest.upcalls);
    }

    @Test
    void bindInterdomainRefusesWhatXenRefuses() throws XenError {
        EvtchnPort forService = unbound(DomId.DOM0);
        EvtchnPort ipi = channels.bindIpi(vcpu(0));
        assertFails(XenError.ESRCH, () -> channels.bindInterdomain(NOBODY, port(1)));
        assertFails(XenError.EINVAL, () -> channels.bindInterdomain(DomId.SELF, forService));
        assertFails(XenError.EINVAL, () -> channels.bindInterdomain(DomId.SELF, ipi));
        assertFails(XenError.EINVAL, () -> channels.bindInterdomain(DomId.SELF, port(0)));
        assertFails(XenError.EINVAL, () -> channels.bindInterdomain(DomId.SELF, port(-1)));
        assertFails(XenError.EINVAL, () -> channels.bindInterdomain(DomId.DOM0, port(5)));
        assertEquals(port(3), channels.bindIpi(vcpu(0)), "failed binds leave no port behind");
    }

    @Test
    void closingOneEndLeavesTheOtherUnboundForTheSameDomain() throws XenError {
        EvtchnPort first = unbound(DomId.SELF);
        EvtchnPort second = channels.bindInterdomain(DomId.SELF, first);
        channels.close(second);
        assertEquals(new EvtchnStatus.Unbound(vcpu(0), FakeGuest.ID), status(first));
        assertEquals(new EvtchnStatus.Closed(vcpu(0)), status(second));
        assertEquals(second, channels.bindInterdomain(DomId.SELF, first));
    }

    @Test
    void bindVirqRefusesWhatXenRefuses() throws XenError {
        channels.bindVirq(Virq.TIMER, vcpu(1));
        assertFails(XenError.EEXIST, () -> channels.bindVirq(Virq.TIMER, vcpu(1)));
        assertFails(XenError.ENOENT, () -> channels.bindVirq(Virq.TIMER, vcpu(4)));
        assertFails(XenError.ENOENT, () -> channels.bindVirq(Virq.TIMER, channels.vcpuId(-1)));
        assertFails(XenError.EINVAL, () -> channels.bindVirq(Virq.of(2), vcpu(1)));
        assertFails(XenError.EINVAL, () -> channels.bindVirq(Virq.of(2), vcpu(99)));
        assertFails(XenError.EINVAL, () -> Virq.of(24));
        assertFails(XenError.EINVAL, () -> Virq.of(-1));
    }

    @Test
    void eachVcpuBindsItsOwnTimer() throws XenError {
        EvtchnPort first = channels.bindVirq(Virq.TIMER, vcpu(0));
        EvtchnPort second = channels.bindVirq(Virq.TIMER, vcpu(1));
        assertEquals(first, channels.timerPort(vcpu(0)));
        assertEquals(second, channels.timerPort(vcpu(1)));
        assertEquals(EvtchnPort.NONE, channels.timerPort(vcpu(2)));
        assertEquals(List.of(vcpu(0), vcpu(1)), guest.kernel.timerChanges);
        channels.close(second);
        assertEquals(EvtchnPort.NONE, channels.timerPort(vcpu(1)));
        assertEquals(List.of(vcpu(0), vcpu(1), vcpu(1)), guest.kernel.timerChanges);
    }

    @Test
    void allTwentyFourVirqsCanBeBound() throws XenError {
        for (int i = 0; i < Virq.COUNT; i++) {
            EvtchnPort port = channels.bindVirq(Virq.of(i), vcpu(0));
            assertEquals(new EvtchnStatus.VirqBound(vcpu(0), Virq.of(i)), status(port));
        }
    }

    @Test
    void aMovedGlobalVirqIsFreeAgainAfterClose() throws XenError {
        Virq global = Virq.of(3);
        EvtchnPort port = channels.bindVirq(global, vcpu(0));
        channels.bindVcpu(port, vcpu(2));
        assertEquals(new EvtchnStatus.VirqBound(vcpu(2), global), status(port));
        assertFails(XenError.EEXIST, () -> channels.bindVirq(global, vcpu(0)));
        channels.close(port);
        assertEquals(port, channels.bindVirq(global, vcpu(0)));
    }

    @Test
    void bindIpiToAnUnknownVcpuIsEnoent() throws XenError {
        assertFails(XenError.ENOENT, () -> channels.bindIpi(vcpu(4)));
        assertEquals(new EvtchnStatus.Ipi(vcpu(3)), status(channels.bindIpi(vcpu(3))));
    }

    @Test
    void closeOfAClosedPortIsEinval() throws XenError {
        EvtchnPort port = unbound(DomId.DOM0);
        channels.close(port);
        assertFails(XenError.EINVAL, () -> channels.close(port));
        assertFails(XenError.EINVAL, () -> channels.close(port(0)));
        assertFails(XenError.EINVAL, () -> channels.close(port(4095)));
        assertFails(XenError.EINVAL, () -> channels.close(port(Integer.MIN_VALUE)));
    }

    @Test
    void closeClearsThePendingBitAndTheVcpu() throws XenError {
        EvtchnPort port = channels.bindIpi(vcpu(3));
        channels.send(port);
        assertTrue(guest.pending(port.value()));
        channels.close(port);
        assertFalse(guest.pending(port.value()));
        assertEquals(new EvtchnStatus.Closed(vcpu(0)), status(port));
    }

    @Test
    void sendToAVirqOrAClosedPortIsEinval() throws XenError {
        EvtchnPort virq = channels.bindVirq(Virq.TIMER, vcpu(0));
        assertFails(XenError.EINVAL, () -> channels.send(virq));
        assertFails(XenError.EINVAL, () -> channels.send(port(0)));
        assertFails(XenError.EINVAL, () -> channels.send(port(2)));
        assertFails(XenError.EINVAL, () -> channels.send(port(4096)));
        assertFails(XenError.EINVAL, () -> channels.send(port(-1)));
    }

    @Test
    void sendOnAnUnboundPortIsDropped() throws XenError {
        EvtchnPort port = unbound(DomId.DOM0);
        channels.send(port);
        assertFalse(guest.pending(port.value()));
        assertEquals(List.of(), guest.upcalls);
    }

    @Test
    void statusRefusesWhatXenRefuses() throws XenError {
        assertFails(XenError.ESRCH, () -> channels.status(NOBODY, port(9999)));
        assertFails(XenError.EPERM, () -> channels.status(DomId.DOM0, port(1)));
        assertFails(XenError.EINVAL, () -> channels.status(DomId.DOM0, port(9999)));
        assertEquals(new EvtchnStatus.Closed(vcpu(0)), status(port(0)));
        assertEquals(new EvtchnStatus.Closed(vcpu(0)), status(port(PortTable.BUCKET - 1)));
        assertFails(XenError.EINVAL, () -> status(port(PortTable.BUCKET)));
    }

    @Test
    void bindVcpuRefusesWhatXenRefuses() throws XenError {
        EvtchnPort ipi = channels.bindIpi(vcpu(0));
        EvtchnPort timer = channels.bindVirq(Virq.TIMER, vcpu(0));
        EvtchnPort unbound = unbound(DomId.DOM0);
        assertFails(XenError.EINVAL, () -> channels.bindVcpu(ipi, vcpu(1)));
        assertFails(XenError.EINVAL, () -> channels.bindVcpu(timer, vcpu(1)));
        assertFails(XenError.EINVAL, () -> channels.bindVcpu(port(0), vcpu(1)));
        assertFails(XenError.EINVAL, () -> channels.bindVcpu(port(9), vcpu(1)));
        assertFails(XenError.EINVAL, () -> channels.bindVcpu(port(9999), vcpu(1)));
        assertFails(XenError.ENOENT, () -> channels.bindVcpu(port(9999), vcpu(4)));
        channels.bindVcpu(unbound, vcpu(1));
        assertEquals(new EvtchnStatus.Unbound(vcpu(1), DomId.DOM0), status(unbound));
    }

    @Test
    void unmaskOfAClosedPortSucceedsAndOfAnInvalidOneIsEinval() throws XenError {
        channels.unmask(port(0));
        channels.unmask(port(63));
        assertFails(XenError.EINVAL, () -> channels.unmask(port(64)));
    }

    @Test
    void unmaskOfAClosedPortLeavesItMasked() throws XenError {
        EvtchnPort port = channels.bindIpi(vcpu(0));
        channels.close(port);
        guest.setMasked(port.value(), true);
        channels.unmask(port);
        assertTrue(guest.masked(port.value()));
    }

    @Test
    void onlyAnOpenPortCanBePolled() throws XenError {
        EvtchnPort port = channels.bindIpi(vcpu(0));
        assertFalse(channels.isPending(port));
        channels.close(port);
        assertFails(XenError.EINVAL, () -> channels.isPending(port));
        assertFails(XenError.EINVAL, () -> channels.isPending(port(0)));
        assertFails(XenError.EINVAL, () -> channels.isPending(port(64)));
    }

    @Test
    void resetClosesEverything() throws XenError {
        EvtchnPort first = unbound(DomId.SELF);
        channels.bindInterdomain(DomId.SELF, first);
        channels.bindIpi(vcpu(1));
        channels.bindVirq(Virq.TIMER, vcpu(1));
        channels.reset(DomId.SELF);
        assertEquals(List.of(), channels.save().ports());
        assertEquals(EvtchnPort.NONE, channels.timerPort(vcpu(1)));
        assertTrue(guest.kernel.table.isEmpty());
        assertEquals(port(1), channels.bindVirq(Virq.TIMER, vcpu(1)));
        assertFails(XenError.ESRCH, () -> channels.reset(NOBODY));
        assertFails(XenError.EPERM, () -> channels.reset(DomId.DOM0));
    }

    @Test
    void fifoCallsAreEnosysWithoutFifo() {
        assertFails(XenError.ENOSYS, () -> channels.initControl(vcpu(0), 1, 0));
        assertFails(XenError.ENOSYS, () -> channels.expandArray(1));
        assertFails(XenError.ENOSYS, () -> channels.setPriority(port(1), 3));
        assertFails(XenError.EINVAL, () -> channels.setPriority(port(64), 3));
    }

    /// They come in where the first reset has just closed the timer's port, and tells the kernel.
    @Test
    void aSecondResetMeanwhileIsEbusyAndAPortBoundMeanwhileIsEagain() throws XenError {
        EvtchnPort offered = channels.allocUnbound(DomId.SELF, DomId.DOM0);
        List<Object> seen = new ArrayList<>();
        guest.service.bindInterdomain(FakeGuest.ID, offered, () -> {});
        channels.bindVirq(Virq.TIMER, vcpu(0));
        guest.kernel.onTimerChange =
                () -> {
                    seen.add(assertThrows(XenError.class, () -> channels.reset(DomId.SELF)));
                    guest.kernel.onTimerChange = () -> {};
                    seen.add(unchecked(() -> channels.bindIpi(vcpu(0))));
                };
        assertFails(XenError.EAGAIN, () -> channels.reset(DomId.SELF));
        assertEquals(List.of(XenError.EBUSY, port(1)), seen);
        assertEquals(new EvtchnStatus.Ipi(vcpu(0)), status(port(1)));
        channels.reset(DomId.SELF);
        assertEquals(new EvtchnStatus.Closed(vcpu(0)), status(port(1)));
    }

    private static EvtchnPort unchecked(Callable<EvtchnPort> operation) {
        try {
            return operation.call();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aDestroyedDomainBindsNothing() throws XenError {
        channels.bindIpi(vcpu(0));
        channels.destroy();
        assertTrue(guest.kernel.table.isEmpty());
        assertFails(XenError.EINVAL, () -> channels.bindIpi(vcpu(0)));
        assertFails(XenError.EINVAL, () -> unbound(DomId.DOM0));
    }

    @Test
    void theEndsOfADestroyedDomainAreUnbound() throws XenError {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, new DomId(2), guest);
        EvtchnPort mine = unbound(new DomId(2));
        assertFails(
                XenError.EINVAL,
                () -> other.channels.bindInterdomain(FakeGuest.ID, channels.bindIpi(vcpu(0))));
        EvtchnPort theirs = other.channels.bindInterdomain(FakeGuest.ID, mine);
        channels.send(mine);
        assertTrue(other.pending(theirs.value()));
        other.channels.destroy();
        assertEquals(new EvtchnStatus.Unbound(vcpu(0), new DomId(2)), status(mine));
        channels.send(mine);
        channels.destroy();
    }

    @Test
    void raisingAVirqReturnsWhetherItIsBound() throws XenError {
        assertFalse(channels.raiseGlobal(Virq.CONSOLE));
        assertFalse(channels.raiseVcpu(Virq.DEBUG, vcpu(1)));
        channels.bindVirq(Virq.CONSOLE, vcpu(0));
        channels.bindVirq(Virq.DEBUG, vcpu(1));
        assertTrue(channels.raiseGlobal(Virq.CONSOLE));
        assertTrue(channels.raiseVcpu(Virq.DEBUG, vcpu(1)));
        assertFalse(channels.raiseVcpu(Virq.DEBUG, vcpu(0)));
        assertThrows(IllegalArgumentException.class, () -> channels.raiseGlobal(Virq.DEBUG));
        assertThrows(
                IllegalArgumentException.class, () -> channels.raiseVcpu(Virq.ARCH_0, vcpu(0)));
    }

    @Test
    void globalVirqsAreThoseOfXen() throws XenError {
        for (int i = 0; i < Virq.COUNT; i++) {
            boolean perVcpu = i == 0 || i == 1 || i == 7 || i == 13;
            assertEquals(!perVcpu, Virq.of(i).isGlobal(), "VIRQ " + i);
        }
    }

    @Test
    void gaugesCountPortsByTypeUntilTheDomainEnds() throws XenError {
        channels.bindIpi(vcpu(0));
        assertEquals(
                1,
                guest.registry
                        .get("xen.evtchn.ports")
                        .tags("domain", "1", "type", "ipi")
                        .gauge()
                        .value());
        channels.destroy();
        assertTrue(guest.registry.find("xen.evtchn.ports").tags("domain", "1").meters().isEmpty());
    }
}
