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
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// Interrupts as events.
final class PirqsTest {
    private static final int TYPE_MSI = 0;
    private static final int TYPE_GSI = 1;
    private static final int ANY = -1;

    private final Arena arena = Arena.ofShared();
    private final FakeGuest guest = FakeGuest.wide(arena);
    private final EventChannels channels = guest.channels;
    private final Pirqs pirqs = channels.pirqs();

    @AfterEach
    void free() {
        arena.close();
    }

    private static void assertFails(XenError expected, Executable operation) {
        assertSame(expected, assertThrows(XenError.class, operation));
    }

    private static Pirq pirq(int number) {
        return new Pirq(number);
    }

    private EvtchnPort bind(Pirq pirq) throws XenError {
        return channels.bindPirq(pirq, 0);
    }

    /// Whether there is an event, which is taken.
    private boolean takes(EvtchnPort port) {
        boolean pending = guest.pending(port.value());
        guest.setPending(port.value(), false);
        return pending;
    }

    @Test
    void pirqsForGsisAreGivenOutFromSixteenAndOthersFromTheTop() throws XenError {
        assertEquals(pirq(16), pirqs.mapGsi(4, ANY));
        assertEquals(pirq(17), pirqs.allocate(TYPE_GSI));
        assertEquals(pirq(255), pirqs.allocate(TYPE_MSI));
        assertEquals(pirq(254), pirqs.allocate(TYPE_MSI));
        assertEquals(pirq(18), pirqs.mapGsi(5, ANY));
        pirqs.unmap(pirq(255));
        assertEquals(pirq(255), pirqs.allocate(TYPE_MSI));
    }

    /// Whether the kernel has been told that a GSI's line reaches the guest as events.
    private boolean isToldAsEvent(int gsi) {
        return guest.kernel.eventGsis().contains(gsi);
    }

    @Test
    void kernelIsToldWhereALineLeads() throws XenError {
        Pirq pirq = pirqs.mapGsi(17, ANY);
        assertFalse(isToldAsEvent(17));
        EvtchnPort port = bind(pirq);
        assertTrue(isToldAsEvent(17));
        assertTrue(pirqs.raiseGsi(17));
        assertTrue(takes(port));
        channels.close(port);
        assertFalse(isToldAsEvent(17));
        assertFalse(pirqs.raiseGsi(17));

        EvtchnPort _ = bind(pirq);
        pirqs.unmap(pirq);
        assertFalse(isToldAsEvent(17));
        assertEquals(pirq, pirqs.mapGsi(18, pirq.value()));
        assertTrue(isToldAsEvent(18));
        assertEquals(18, pirqs.gsi(pirq));
        channels.reset(DomId.SELF);
        assertFalse(isToldAsEvent(18));
    }

    @Test
    void everyPirqIsAllocatedAndNoneBeyond() throws XenError {
        for (int i = Pirqs.GSIS; i < pirqs.count(); i++) {
            pirqs.allocate(TYPE_MSI);
        }
        assertFails(XenError.ENOSPC, () -> pirqs.allocate(TYPE_MSI));
        for (int i = 16; i < Pirqs.GSIS; i++) {
            assertEquals(pirq(i), pirqs.allocate(TYPE_GSI));
        }
        assertFails(XenError.ENOSPC, () -> pirqs.allocate(TYPE_GSI));
        assertFails(XenError.EINVAL, () -> pirqs.mapGsi(4, ANY));
    }

    @Test
    void mappingRefusesWhatXenRefuses() throws XenError {
        assertFails(XenError.EINVAL, () -> pirqs.mapGsi(-1, ANY));
        assertFails(XenError.EINVAL, () -> pirqs.mapGsi(Pirqs.GSIS, ANY));
        assertFails(XenError.EINVAL, () -> pirqs.mapGsi(4, 256));
        assertFails(XenError.EINVAL, () -> pirqs.mapMsi(pirq(0)));
        assertFails(XenError.EINVAL, () -> pirqs.mapMsi(pirq(256)));
        assertFails(XenError.EINVAL, () -> pirqs.mapMsi(pirq(-1)));
        pirqs.mapGsi(4, 20);
        assertFails(XenError.EINVAL, () -> pirqs.mapMsi(pirq(20)));
        pirqs.unmap(pirq(-1));
        pirqs.unmap(pirq(99));
    }

    @Test
    void aSecondMappingChangesNothing() throws XenError {
        assertEquals(pirq(20), pirqs.mapGsi(4, 20));
        assertEquals(pirq(21), pirqs.mapGsi(4, 21), "as asked");
        assertEquals(pirq(20), pirqs.mapGsi(5, 20), "as asked");
        assertFalse(pirqs.isMapped(5));
        assertEquals(pirq(20), pirqs.mapGsi(4, ANY), "the one that it has");
        EvtchnPort port = bind(pirq(20));
        pirqs.setGsi(4, true);
        assertTrue(takes(port));
    }

    @Test
    void bindRefusesWhatXenRefuses() throws XenError {
        EvtchnPort port = bind(pirq(30));
        assertEquals(
                new EvtchnStatus.PirqBound(vcpu(0), pirq(30)), channels.status(DomId.SELF, port));
        assertFails(XenError.EEXIST, () -> bind(pirq(30)));
        assertFails(XenError.EINVAL, () -> bind(pirq(256)));
        assertFails(XenError.EINVAL, () -> bind(pirq(-1)));
        assertFails(XenError.EINVAL, () -> channels.send(port));
        channels.close(port);
        assertEquals(port, bind(pirq(30)));
    }

    @Test
    void aGsiWithoutAPortBelongsToTheIoApic() throws XenError {
        assertFalse(pirqs.setGsi(4, true));
        pirqs.mapGsi(4, ANY);
        assertFalse(pirqs.setGsi(4, false));
        EvtchnPort port = bind(pirq(16));
        assertTrue(pirqs.setGsi(4, false));
        channels.close(port);
        assertFalse(pirqs.setGsi(4, false));
        bind(pirq(16));
        pirqs.unmap(pirq(16));
        assertFalse(pirqs.setGsi(4, true));
    }

    @Test
    void aLevelStaysAfterTheEndOfTheInterrupt() throws XenError {
        EvtchnPort port = bind(pirqs.mapGsi(20, ANY));
        pirqs.setGsi(20, true);
        assertTrue(takes(port));
        pirqs.setGsi(20, true);
        assertFalse(takes(port), "no edge");
        pirqs.eoi(pirq(16));
        assertTrue(takes(port), "still up");
        pirqs.setGsi(20, false);
        pirqs.eoi(pirq(16));
        assertFalse(takes(port));
    }

    @Test
    void anIsaInterruptIsAnEdge() throws XenError {
        EvtchnPort port = bind(pirqs.mapGsi(4, ANY));
        pirqs.setGsi(4, true);
        assertTrue(takes(port));
        pirqs.eoi(pirq(16));
        assertFalse(takes(port));
        pirqs.setGsi(4, false);
        pirqs.setGsi(4, true);
        assertTrue(takes(port));
    }

    @Test
    void aLineThatIsUpAlreadyIsNoticedWhenThePortIsBound() throws XenError {
        pirqs.mapGsi(20, ANY);
        pirqs.setGsi(20, true);
        assertTrue(takes(bind(pirq(16))));
    }

    @Test
    void statusAndEndOfUnknownPirqsAreEinval() throws XenError {
        assertFails(XenError.EINVAL, () -> pirqs.eoi(pirq(256)));
        assertFails(XenError.EINVAL, () -> pirqs.eoi(pirq(30)));
        assertFails(XenError.EINVAL, () -> pirqs.needsEoi(pirq(256)));
        assertFails(XenError.EINVAL, () -> pirqs.needsEoi(pirq(30)));
        bind(pirq(30));
        pirqs.eoi(pirq(30));
        assertFails(XenError.EINVAL, () -> pirqs.needsEoi(pirq(30)));
        Pirq allocated = pirqs.allocate(TYPE_MSI);
        pirqs.eoi(allocated);
        assertFails(XenError.EINVAL, () -> pirqs.needsEoi(allocated));
        assertTrue(pirqs.needsEoi(pirqs.mapGsi(4, ANY)));
    }

    @Test
    void aMessageIsAnEventAtThePortsVcpu() throws XenError {
        Pirq pirq = pirqs.allocate(TYPE_MSI);
        EvtchnPort port = bind(pirq);
        channels.bindVcpu(port, vcpu(3));
        pirqs.raiseMsi(pirq);
        assertTrue(takes(port));
        assertTrue(guest.upcallPending(3));
        assertTrue(pirqs.needsEoi(pirq));
        channels.close(port);
        pirqs.raiseMsi(pirq);
        assertFalse(takes(port));
    }

    @Test
    void theKernelsRouteOfAMessageFollowsItsPort() throws XenError {
        Map<Integer, FakeKernel.Route> routes = guest.kernel.routes;
        EvtchnPort port = bind(pirq(100));
        assertTrue(routes.isEmpty());
        pirqs.mapMsi(pirq(100));
        assertEquals(Map.of(100, new FakeKernel.Route(port.value(), 0)), routes);
        channels.bindVcpu(port, vcpu(2));
        assertEquals(Map.of(100, new FakeKernel.Route(port.value(), 2)), routes);
        channels.close(port);
        assertTrue(routes.isEmpty());
        bind(pirq(100));
        assertEquals(Map.of(100, new FakeKernel.Route(port.value(), 0)), routes);
        pirqs.unmap(pirq(100));
        assertTrue(routes.isEmpty());
        channels.close(port(1));
    }

    @Test
    void aSoftResetForgetsMappingsButNotPorts() throws XenError {
        EvtchnPort port = bind(pirqs.mapGsi(20, ANY));
        pirqs.reset();
        assertFalse(pirqs.setGsi(20, true));
        assertEquals(
                new EvtchnStatus.PirqBound(vcpu(0), pirq(16)), channels.status(DomId.SELF, port));
    }
}
