package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The entries that a kernel keeps when no vCPU would notice its events.
final class KernelDeliveryTest {
    private static final DomId OTHER = new DomId(2);

    /// Ports of the 32-bit layout.
    private static final int NARROW_PORTS = 1024;

    private final Arena arena = Arena.ofShared();
    private final FakeGuest guest = FakeGuest.wide(arena);
    private final EventChannels channels = guest.channels;

    @AfterEach
    void free() {
        arena.close();
    }

    private void notifies(boolean on) {
        guest.kernel.notifies = on;
        channels.kernelDeliveryChanged();
    }

    @Test
    void onlySendsToTheServiceStayInTheKernel() throws XenError {
        EvtchnPort ipi = channels.bindIpi(vcpu(1));
        EvtchnPort offered = channels.allocUnbound(DomId.SELF, DomId.DOM0);
        guest.service.bindInterdomain(FakeGuest.ID, offered, () -> {});
        EvtchnPort far = channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort near = channels.bindInterdomain(DomId.SELF, far);
        Set<Integer> all = Set.copyOf(guest.kernel.table.keySet());

        notifies(false);
        assertFalse(channels.isKernelDelivering());
        assertEquals(Set.of(offered.value()), guest.kernel.table.keySet());
        channels.bindIpi(vcpu(2));
        assertEquals(Set.of(offered.value()), guest.kernel.table.keySet());
        channels.close(ipi);
        EvtchnPort again = channels.bindIpi(vcpu(3));
        assertEquals(ipi, again);

        notifies(true);
        assertTrue(channels.isKernelDelivering());
        assertTrue(guest.kernel.table.keySet().containsAll(all));
        assertEquals(
                new FakeKernel.Entry.Port(far.value(), 0), guest.kernel.table.get(near.value()));
        assertEquals(
                new FakeKernel.Entry.Port(again.value(), 3), guest.kernel.table.get(again.value()));
    }

    @Test
    void portsBeyondTheNewWidthAreRemovedFromTheKernelFirst() throws XenError {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, OTHER, guest);
        guest.kernel.rings = true;
        other.kernel.rings = true;
        EvtchnPort known = channels.bindIpi(vcpu(1));
        EvtchnPort toBeyond = channels.allocUnbound(DomId.SELF, DomId.SELF);
        while (channels.bindIpi(vcpu(0)).value() < NARROW_PORTS) {}
        EvtchnPort beyond = channels.bindInterdomain(DomId.SELF, toBeyond);
        EvtchnPort far = channels.allocUnbound(DomId.SELF, OTHER);
        EvtchnPort theirs = other.channels.bindInterdomain(FakeGuest.ID, far);
        assertTrue(guest.kernel.doorbells.containsKey(far.value()));

        channels.narrowKernelPorts(GuestWidth.BITS_32);
        guest.kernel.ports = NARROW_PORTS;
        channels.setSharedInfo(guest.shared, GuestWidth.BITS_32);

        assertTrue(guest.kernel.table.containsKey(known.value()));
        assertFalse(guest.kernel.table.containsKey(toBeyond.value()));
        assertTrue(guest.kernel.table.keySet().stream().allMatch(port -> port < NARROW_PORTS));
        assertEquals(Set.of(), guest.kernel.doorbells.keySet());
        other.channels.send(theirs);
        other.channels.close(theirs);
        assertTrue(beyond.value() >= NARROW_PORTS);
        channels.destroy();
    }

    @Test
    void kernelHasNoTimerPortsWhileItDoesNotDeliver() throws XenError {
        EvtchnPort timer = channels.bindVirq(Virq.TIMER, vcpu(2));
        guest.kernel.timerChanges.clear();

        notifies(false);
        assertEquals(EvtchnPort.NONE, channels.timerPort(vcpu(2)));
        assertEquals(List.of(vcpu(2)), guest.kernel.timerChanges);
        notifies(false);
        assertEquals(List.of(vcpu(2)), guest.kernel.timerChanges);

        notifies(true);
        assertEquals(timer, channels.timerPort(vcpu(2)));
        assertEquals(List.of(vcpu(2), vcpu(2)), guest.kernel.timerChanges);
    }

    @Test
    void doorbellsOfOtherDomainsAreClosedAndOpenedAgain() throws XenError {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, OTHER, guest);
        guest.kernel.rings = true;
        EvtchnPort offered = channels.allocUnbound(DomId.SELF, OTHER);
        EvtchnPort sending = other.channels.bindInterdomain(FakeGuest.ID, offered);
        assertEquals(Set.of(offered.value()), guest.kernel.doorbells.keySet());

        notifies(false);
        assertTrue(guest.kernel.doorbells.isEmpty());
        assertTrue(other.kernel.table.isEmpty());
        other.channels.send(sending);
        assertTrue(guest.pending(offered.value()));
        assertTrue(guest.upcallPending(0));

        notifies(true);
        assertEquals(Set.of(offered.value()), guest.kernel.doorbells.keySet());
        assertEquals(
                new FakeKernel.Entry.Ringing(guest.kernel.doorbell(offered)),
                other.kernel.table.get(sending.value()));
    }

    @Test
    void doorbellIsClosedWhileThePortNotifiesAVcpuOutOfTheKernelsReach() throws XenError {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, OTHER, guest);
        guest.kernel.rings = true;
        guest.kernel.unreachable.add(vcpu(1));
        EvtchnPort offered = channels.allocUnbound(DomId.SELF, OTHER);
        EvtchnPort sending = other.channels.bindInterdomain(FakeGuest.ID, offered);

        channels.bindVcpu(offered, vcpu(1));
        assertTrue(guest.kernel.doorbells.isEmpty());
        assertTrue(other.kernel.table.isEmpty());
        other.channels.send(sending);
        assertTrue(guest.pending(offered.value()));

        channels.bindVcpu(offered, vcpu(2));
        assertEquals(2, guest.kernel.doorbell(offered).vcpu);
        assertEquals(Set.of(sending.value()), other.kernel.table.keySet());
    }
}
