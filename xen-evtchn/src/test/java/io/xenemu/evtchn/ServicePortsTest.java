package io.xenemu.evtchn;

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
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// A back end's end of a channel.
final class ServicePortsTest {
    private final Arena arena = Arena.ofShared();
    private final FakeGuest guest = FakeGuest.wide(arena);
    private final AtomicInteger signals = new AtomicInteger();
    private EvtchnPort port = EvtchnPort.NONE;

    @BeforeEach
    void allocate() throws XenError {
        port = guest.channels.allocUnbound(DomId.SELF, DomId.DOM0);
    }

    @AfterEach
    void free() {
        arena.close();
    }

    private ServicePort bind() throws XenError {
        return guest.service.bindInterdomain(FakeGuest.ID, port, signals::incrementAndGet);
    }

    private EvtchnStatus status() throws XenError {
        return guest.channels.status(DomId.SELF, port);
    }

    @Test
    void bindingSignalsTheBackEndOnceAndNotTheGuest() throws XenError {
        ServicePort end = bind();
        assertEquals(1, signals.get());
        assertFalse(guest.pending(port.value()));
        assertEquals(new EvtchnStatus.Interdomain(vcpu(0), DomId.DOM0, end.port()), status());
        assertTrue(end.isConnected());
    }

    @Test
    void theGuestsSendReachesTheListener() throws XenError {
        bind();
        guest.channels.send(port);
        assertEquals(2, signals.get());
    }

    @Test
    void theKernelIsGivenTheListenerUntilEitherEndCloses() throws XenError {
        ServicePort end = bind();
        assertTrue(guest.kernel.table.get(port.value()) instanceof FakeKernel.Entry.EventFd);
        end.close();
        assertTrue(guest.kernel.table.isEmpty());
        bind();
        guest.channels.close(port);
        assertTrue(guest.kernel.table.isEmpty());
    }

    @Test
    void notifyingRaisesThePortAtItsVcpu() throws XenError {
        ServicePort end = bind();
        guest.channels.bindVcpu(port, vcpu(2));
        end.notifyGuest();
        assertTrue(guest.pending(port.value()));
        assertEquals(List.of(2), guest.upcalls);
    }

    @Test
    void closingTheServicesEndLeavesTheGuestsUnbound() throws XenError {
        ServicePort end = bind();
        end.close();
        assertEquals(new EvtchnStatus.Unbound(vcpu(0), DomId.DOM0), status());
        end.notifyGuest();
        assertFalse(guest.pending(port.value()));
        assertFalse(end.isConnected());
    }

    @Test
    void closingTwiceDoesNotCloseTheNextUserOfThePort() throws XenError {
        ServicePort first = bind();
        first.close();
        ServicePort second = bind();
        assertEquals(first.port(), second.port());
        first.close();
        first.notifyGuest();
        assertTrue(second.isConnected());
        assertFalse(guest.pending(port.value()));
    }

    @Test
    void theGuestsCloseDisconnectsButDoesNotCloseTheService() throws XenError {
        ServicePort end = bind();
        guest.channels.close(port);
        assertFalse(end.isConnected());
        end.notifyGuest();
        assertEquals(port, guest.channels.bindInterdomain(DomId.DOM0, end.port()));
        assertTrue(end.isConnected());
        assertTrue(guest.pending(port.value()), "the binder is signalled");
    }

    @Test
    void aGuestMayBindToAnOfferedPortOnlyIfItIsForIt() throws XenError {
        ServicePort mine = guest.service.allocUnbound(FakeGuest.ID, signals::incrementAndGet);
        ServicePort other = guest.service.allocUnbound(new DomId(2), signals::incrementAndGet);
        assertSame(
                XenError.EINVAL,
                assertThrows(
                        XenError.class,
                        () -> guest.channels.bindInterdomain(DomId.DOM0, other.port())));
        EvtchnPort bound = guest.channels.bindInterdomain(DomId.DOM0, mine.port());
        guest.channels.send(bound);
        assertEquals(1, signals.get());
    }

    @Test
    void bindingToAPortForAnotherDomainIsEinval() throws XenError {
        EvtchnPort own = guest.channels.allocUnbound(DomId.SELF, DomId.SELF);
        assertSame(
                XenError.EINVAL,
                assertThrows(
                        XenError.class,
                        () ->
                                guest.service.bindInterdomain(
                                        FakeGuest.ID, own, signals::incrementAndGet)));
        assertSame(
                XenError.ESRCH,
                assertThrows(
                        XenError.class,
                        () ->
                                guest.service.bindInterdomain(
                                        new DomId(9), own, signals::incrementAndGet)));
        assertEquals(0, signals.get());
    }

    @Test
    void aResetGuestLeavesItsBackEndsDisconnected() throws XenError {
        ServicePort end = bind();
        guest.channels.reset(DomId.SELF);
        assertFalse(end.isConnected());
        assertEquals(new EvtchnStatus.Closed(vcpu(0)), status());
    }
}
