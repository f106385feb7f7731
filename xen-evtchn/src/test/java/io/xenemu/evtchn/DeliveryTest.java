package io.xenemu.evtchn;

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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The way of an event into guest memory, for both widths.
final class DeliveryTest {
    private final Arena arena = Arena.ofShared();

    @AfterEach
    void free() {
        arena.close();
    }

    private FakeGuest guest(GuestWidth width) {
        return new FakeGuest(arena, width, 4);
    }

    /// An IPI port in the second word of either layout.
    private static EvtchnPort distantIpi(FakeGuest guest, int vcpu) throws XenError {
        EvtchnPort port = EvtchnPort.NONE;
        while (port.value() < 70) {
            port = guest.channels.bindIpi(vcpu(vcpu));
        }
        return port;
    }

    @ParameterizedTest
    @EnumSource
    void anEventSetsPendingThenSelectorThenUpcall(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort port = distantIpi(guest, 1);
        guest.channels.send(port);
        assertTrue(guest.pending(port.value()));
        int word = port.value() / (width.bytes() * 8);
        assertEquals(1L << word, guest.selector(1));
        assertTrue(guest.upcallPending(1));
        assertTrue(guest.channels.isUpcallPending(vcpu(1)));
        assertFalse(guest.upcallPending(0));
        assertEquals(List.of(1), guest.upcalls);
    }

    @ParameterizedTest
    @EnumSource
    void aSecondEventCoalesces(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort port = guest.channels.bindIpi(vcpu(0));
        guest.channels.send(port);
        guest.takeUpcall(0);
        guest.channels.send(port);
        assertEquals(0, guest.selector(0));
        assertEquals(List.of(0), guest.upcalls);
    }

    @ParameterizedTest
    @EnumSource
    void noSecondUpcallWhileOneIsPending(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort near = guest.channels.bindIpi(vcpu(0));
        EvtchnPort far = distantIpi(guest, 0);
        guest.channels.send(near);
        guest.channels.send(far);
        assertTrue(guest.pending(far.value()));
        assertEquals(2, Long.bitCount(guest.selector(0)));
        assertEquals(List.of(0), guest.upcalls);
    }

    @ParameterizedTest
    @EnumSource
    void aMaskedEventWaitsForUnmask(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort port = guest.channels.bindIpi(vcpu(2));
        guest.setMasked(port.value(), true);
        guest.channels.send(port);
        assertTrue(guest.pending(port.value()));
        assertEquals(0, guest.selector(2));
        guest.channels.unmask(port);
        assertFalse(guest.masked(port.value()));
        assertEquals(1, guest.selector(2));
        assertEquals(List.of(2), guest.upcalls);
    }

    @ParameterizedTest
    @EnumSource
    void unmaskOfAnUnmaskedOrIdlePortAnnouncesNothing(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort port = guest.channels.bindIpi(vcpu(0));
        guest.setPending(port.value(), true);
        guest.channels.unmask(port);
        guest.setPending(port.value(), false);
        guest.setMasked(port.value(), true);
        guest.channels.unmask(port);
        assertFalse(guest.masked(port.value()));
        assertEquals(List.of(), guest.upcalls);
    }

    @ParameterizedTest
    @EnumSource
    void sendToAMaskedPortIsDoneByAKernelThatDelivers(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        guest.kernel.delivers = true;
        EvtchnPort port = guest.channels.bindIpi(vcpu(0));
        guest.channels.send(port);
        assertEquals(List.of(), guest.kernel.sent, "not masked: no need for the kernel");
        guest.setPending(port.value(), false);
        guest.setMasked(port.value(), true);
        guest.channels.send(port);
        assertEquals(List.of(port), guest.kernel.sent);
        assertFalse(guest.pending(port.value()), "the kernel would have set it");
    }

    @ParameterizedTest
    @EnumSource
    void registeringVcpuInfoKeepsEveryPendingEvent(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort waiting = guest.channels.bindIpi(vcpu(1));
        EvtchnPort masked = distantIpi(guest, 1);
        EvtchnPort other = guest.channels.bindIpi(vcpu(0));
        guest.setMasked(masked.value(), true);
        for (EvtchnPort port : List.of(waiting, masked, other)) {
            guest.channels.send(port);
        }
        guest.vcpuInfos[1].set(ValueLayout.JAVA_BYTE, 1, (byte) 1);
        guest.upcalls.clear();

        MemorySegment place = arena.allocate(64, 64);
        place.fill((byte) 0xff);
        guest.channels.setVcpuInfo(vcpu(1), place);
        guest.vcpuInfos[1] = place;
        assertEquals(1, guest.selector(1), "just the word of the unmasked event");
        assertTrue(guest.upcallPending(1));
        assertEquals(1, place.get(ValueLayout.JAVA_BYTE, 1), "evtchn_upcall_mask is kept");
        assertEquals(List.of(1), guest.upcalls);

        guest.channels.unmask(masked);
        assertEquals(2, Long.bitCount(guest.selector(1)));
    }

    @ParameterizedTest
    @EnumSource
    void registeringVcpuInfoKeepsAnnouncementsOfPortsThatMovedAway(GuestWidth width)
            throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort offered = guest.channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort sending = guest.channels.bindInterdomain(DomId.SELF, offered);
        guest.takeUpcall(0);
        guest.channels.bindVcpu(offered, vcpu(1));
        guest.channels.send(sending);
        guest.channels.bindVcpu(offered, vcpu(2));
        guest.upcalls.clear();

        MemorySegment place = arena.allocate(64, 64);
        guest.channels.setVcpuInfo(vcpu(1), place);
        guest.vcpuInfos[1] = place;
        assertEquals(1, guest.selector(1));
        assertTrue(guest.upcallPending(1));
        assertEquals(List.of(1), guest.upcalls);
    }

    /// vCPUs from 32 on have no place in shared_info. What the guest left where they register their first one is no
    /// event.
    @ParameterizedTest
    @EnumSource
    void firstPlaceOfAVcpuBeyond32IsClearedAndGetsItsEvents(GuestWidth width) throws XenError {
        FakeGuest guest = new FakeGuest(arena, width, 40);
        EvtchnPort early = guest.channels.bindIpi(vcpu(39));
        guest.channels.send(early);
        assertEquals(List.of(), guest.upcalls, "nowhere to announce it");
        assertTrue(guest.pending(early.value()));

        MemorySegment place = arena.allocate(64, 64);
        place.fill((byte) 0xff);
        guest.channels.setVcpuInfo(vcpu(39), place);
        assertEquals(1, place.get(ValueLayout.JAVA_BYTE, 0), "evtchn_upcall_pending");
        assertEquals(1, place.get(ValueLayout.JAVA_BYTE, 1), "evtchn_upcall_mask");
        assertEquals(
                1,
                width == GuestWidth.BITS_64
                        ? place.get(ValueLayout.JAVA_LONG, 8)
                        : place.get(ValueLayout.JAVA_INT, 4));
        assertEquals(List.of(39), guest.upcalls);
    }

    @ParameterizedTest
    @EnumSource
    void registeringVcpuInfoWithNothingPendingMakesNoUpcall(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        MemorySegment place = arena.allocate(64, 64);
        place.fill((byte) 0xff);
        guest.channels.setVcpuInfo(vcpu(1), place);
        guest.vcpuInfos[1] = place;
        assertEquals(0, guest.selector(1));
        assertFalse(guest.upcallPending(1));
        assertEquals(List.of(), guest.upcalls);
    }

    @ParameterizedTest
    @EnumSource
    void vcpuInfoIsRegisteredOnceAndOnlyWhereXenAllowsIt(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        MemorySegment page = arena.allocate(4096, 4096);
        assertFails(XenError.ENOENT, guest, 4, page.asSlice(0, 64));
        assertFails(XenError.ENXIO, guest, 1, page.asSlice(2, 64));
        assertFalse(guest.channels.isVcpuInfoRegistered(vcpu(1)));
        guest.channels.setVcpuInfo(vcpu(1), page.asSlice(0, 64));
        assertTrue(guest.channels.isVcpuInfoRegistered(vcpu(1)));
        assertFails(XenError.EBUSY, guest, 1, page.asSlice(64, 64));
    }

    private static void assertFails(XenError error, FakeGuest guest, int vcpu, MemorySegment at) {
        assertSame(
                error,
                assertThrows(XenError.class, () -> guest.channels.setVcpuInfo(vcpu(vcpu), at)));
    }

    @ParameterizedTest
    @EnumSource
    void virqsAreRaisedWhereTheyAreBound(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort timer = guest.channels.bindVirq(Virq.TIMER, vcpu(1));
        EvtchnPort global = guest.channels.bindVirq(Virq.of(3), vcpu(0));
        guest.channels.bindVcpu(global, vcpu(2));
        guest.channels.raiseVcpu(Virq.TIMER, vcpu(0));
        assertEquals(List.of(), guest.upcalls, "vCPU 0 has bound no timer");
        guest.channels.raiseVcpu(Virq.TIMER, vcpu(1));
        guest.channels.raiseGlobal(Virq.of(3));
        assertTrue(guest.pending(timer.value()));
        assertTrue(guest.pending(global.value()));
        assertEquals(List.of(1, 2), guest.upcalls);
    }

    @ParameterizedTest
    @EnumSource
    void announcePendingFindsUnannouncedEvents(GuestWidth width) throws XenError {
        FakeGuest guest = guest(width);
        EvtchnPort port = guest.channels.bindIpi(vcpu(3));
        guest.setPending(port.value(), true);
        guest.channels.announcePending();
        assertEquals(List.of(3), guest.upcalls);
        assertEquals(1, guest.selector(3));
    }
}
