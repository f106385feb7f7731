package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.port;
import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Saving and restoring.
final class SnapshotTest {
    private final Arena arena = Arena.ofShared();
    private final FakeGuest guest = FakeGuest.wide(arena);
    private final FakeKernel kernel = new FakeKernel();
    private final List<Integer> upcalls = new ArrayList<>();

    @AfterEach
    void free() {
        arena.close();
    }

    private EventChannels restore(EventChannelsState state) {
        return EventChannels.restore(
                state,
                EvtchnOptions.of(4),
                new EventEnvironment(
                        guest::find,
                        kernel,
                        vcpu -> upcalls.add(vcpu.value()),
                        GuestPages.none(),
                        guest.account,
                        FakeGuest::rethrow),
                new EventChannelMetrics(new SimpleMeterRegistry(), FakeGuest.ID));
    }

    /// One port of each kind: 1 store, 2-3 loopback, 4 timer, 5 moved global VIRQ, 6 IPI; 7 was closed.
    private void bindOneOfEach() throws XenError {
        EventChannels channels = guest.channels;
        channels.allocUnbound(DomId.SELF, DomId.DOM0);
        guest.service.bindInterdomain(FakeGuest.ID, port(1), () -> {});
        channels.allocUnbound(DomId.SELF, DomId.SELF);
        channels.bindInterdomain(DomId.SELF, port(2));
        channels.bindVcpu(port(2), vcpu(3));
        channels.bindVirq(Virq.TIMER, vcpu(1));
        channels.bindVirq(Virq.of(3), vcpu(0));
        channels.bindVcpu(port(5), vcpu(2));
        channels.bindIpi(vcpu(2));
        channels.close(channels.bindIpi(vcpu(0)));
    }

    @Test
    void aRestoredDomainHasItsPortsAndForeignOnesUnbound() throws XenError {
        bindOneOfEach();
        EventChannelsState saved = guest.channels.save();
        EventChannels restored = restore(saved);

        List<EventChannelsState.Port> expected = new ArrayList<>(saved.ports());
        expected.set(
                0, new EventChannelsState.Port(1, new EvtchnStatus.Unbound(vcpu(0), DomId.DOM0)));
        assertEquals(expected, restored.save().ports());
        assertEquals(saved.validPorts(), restored.save().validPorts());
        assertEquals(port(4), restored.timerPort(vcpu(1)));
        assertEquals(port(7), restored.bindIpi(vcpu(0)), "the lowest free port");
    }

    @Test
    void kernelTableIsFilledOnlyByRebuildKernelPorts() throws XenError {
        bindOneOfEach();
        EventChannels restored = restore(guest.channels.save());
        assertEquals(0, kernel.table.size());
        restored.rebuildKernelPorts();
        guest.kernel.table.remove(1);
        assertEquals(guest.kernel.table, kernel.table);
        assertEquals(List.of(vcpu(1)), kernel.timerChanges);
    }

    @Test
    void pendingEventsOfARestoredDomainAreAnnounced() throws XenError {
        bindOneOfEach();
        guest.channels.send(port(6));
        guest.takeUpcall(2);
        EventChannels restored = restore(guest.channels.save());
        restored.setSharedInfo(guest.shared, GuestWidth.BITS_64);
        restored.announcePending();
        assertEquals(1, guest.selector(2));
        assertEquals(List.of(0, 2), upcalls, "loopback's port 3 at vCPU 0, the IPI at vCPU 2");
    }

    @Test
    void channelsOfDomainsThatWereSavedTogetherAreConnectedAgain() throws XenError {
        DomId otherId = new DomId(2);
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, otherId, guest);
        guest.channels.allocUnbound(DomId.SELF, otherId);
        guest.channels.allocUnbound(DomId.SELF, otherId);
        guest.channels.bindVcpu(port(2), vcpu(3));
        other.channels.bindInterdomain(FakeGuest.ID, port(2));
        EventChannelsState state = guest.channels.save();
        EventChannelsState otherState = other.channels.save();
        EventChannels restored = restore(state);
        EventChannels otherRestored =
                EventChannels.restore(
                        otherState,
                        EvtchnOptions.of(1),
                        other.environment(guest::find, new FakeKernel()),
                        new EventChannelMetrics(new SimpleMeterRegistry(), otherId));
        restored.setSharedInfo(guest.shared, GuestWidth.BITS_64);
        otherRestored.setSharedInfo(other.shared, GuestWidth.BITS_64);
        guest.setPending(2, false);
        other.setPending(1, false);

        restored.rejoin(state, otherRestored);

        assertEquals(state, restored.save());
        assertEquals(otherState, otherRestored.save());
        assertTrue(guest.pending(2), "an event may have been under way");
        assertTrue(other.pending(1));
        guest.setPending(2, false);
        otherRestored.send(port(1));
        assertTrue(guest.pending(2));
        assertThrows(IllegalArgumentException.class, () -> restored.rejoin(state, otherRestored));
    }

    /// Port 1 was the last event of priority 9, and goes to another queue after the restore.
    @Test
    void aRestoredQueueDoesNotKeepATailThatGoesElsewhere() throws XenError {
        FifoGuest fifo = new FifoGuest(arena, 2).start(1);
        EventChannels before = fifo.guest.channels;
        before.bindVirq(Virq.of(3), vcpu(0));
        before.bindIpi(vcpu(0));
        before.raiseGlobal(Virq.of(3));
        fifo.consume(0);
        before.setPriority(port(1), 9);
        before.raiseGlobal(Virq.of(3));
        fifo.consume(0);

        EventChannels after =
                EventChannels.restore(
                        before.save(),
                        EvtchnOptions.of(2).withFifo(true),
                        fifo.guest.environment(fifo.guest::find, kernel),
                        new EventChannelMetrics(new SimpleMeterRegistry(), FakeGuest.ID));
        after.setSharedInfo(fifo.guest.shared, GuestWidth.BITS_64);
        after.setPriority(port(1), 5);
        after.raiseGlobal(Virq.of(3));
        after.setPriority(port(2), 9);
        after.send(port(2));
        assertEquals(2, fifo.head(0, 9), "not linked to port 1");
        assertEquals(List.of(1, 2), fifo.consume(0));
    }

    @Test
    void anEventWhoseEventWordDoesNotExistYetIsSaved() throws XenError {
        FifoGuest fifo = new FifoGuest(arena, 1).start(0);
        fifo.guest.channels.bindIpi(vcpu(0));
        fifo.guest.channels.send(port(1));
        fifo.guest.channels =
                EventChannels.restore(
                        fifo.guest.channels.save(),
                        EvtchnOptions.of(1).withFifo(true),
                        fifo.guest.environment(fifo.guest::find, kernel),
                        new EventChannelMetrics(new SimpleMeterRegistry(), FakeGuest.ID));
        fifo.guest.channels.setSharedInfo(fifo.guest.shared, GuestWidth.BITS_64);
        fifo.expand();
        assertEquals(List.of(1), fifo.consume(0));
    }

    @Test
    void aGsiThatIsUpIsUpAfterARestore() throws XenError {
        Pirqs pirqs = guest.channels.pirqs();
        guest.channels.bindPirq(pirqs.mapGsi(20, -1), 0);
        pirqs.setGsi(20, true);
        guest.setPending(1, false);
        EventChannels restored = restore(guest.channels.save());
        restored.setSharedInfo(guest.shared, GuestWidth.BITS_64);
        restored.pirqs().eoi(new Pirq(16));
        assertEquals(true, guest.pending(1));
    }

    @Test
    void contradictingPirqsAndFifosAreRefused() {
        PirqsState.Source gsi = new PirqsState.Source(16, PirqsState.Kind.GSI, 4);
        assertRefused(new PirqsState(List.of(gsi, gsi), 0), null);
        assertRefused(
                new PirqsState(List.of(gsi, new PirqsState.Source(17, PirqsState.Kind.GSI, 4)), 0),
                null);
        assertRefused(
                new PirqsState(List.of(new PirqsState.Source(256, PirqsState.Kind.MSI, 0)), 0),
                null);
        assertRefused(
                new PirqsState(List.of(new PirqsState.Source(16, PirqsState.Kind.GSI, 24)), 0),
                null);
        assertRefused(new PirqsState(List.of(), 1 << 24), null);
        FifoState none = new FifoState(List.of(), List.of(), List.of(), List.of());
        assertRefused(PirqsState.EMPTY, none);
        guest.pages.put(7L, arena.allocate(4096, 4096));
        assertRefusedWithFifo(List.of(new FifoState.Control(4, 7, 0)), List.of(), List.of());
        assertRefusedWithFifo(List.of(new FifoState.Control(0, 8, 0)), List.of(), List.of());
        assertRefusedWithFifo(List.of(new FifoState.Control(0, 7, 4)), List.of(), List.of());
        assertRefusedWithFifo(List.of(new FifoState.Control(0, 7, 4032)), List.of(), List.of());
        assertRefusedWithFifo(List.of(), List.of(new FifoState.Tail(0, 7, 1)), List.of());
        assertRefusedWithFifo(List.of(), List.of(new FifoState.Tail(0, 16, 0)), List.of());
        assertRefusedWithFifo(
                List.of(), List.of(), List.of(new FifoState.Event(64, 7, 0, 0, true)));
        assertRefusedWithFifo(
                List.of(), List.of(), List.of(new FifoState.Event(1, 16, 0, 0, true)));
        assertRefusedWithFifo(List.of(), List.of(), List.of(new FifoState.Event(1, 7, 4, 0, true)));
    }

    private void assertRefused(PirqsState pirqs, @Nullable FifoState fifo) {
        EventChannelsState state =
                new EventChannelsState(FakeGuest.ID, 4, 64, List.of(), pirqs, fifo);
        assertThrows(IllegalArgumentException.class, () -> restore(state), state::toString);
    }

    private void assertRefusedWithFifo(
            List<FifoState.Control> controls,
            List<FifoState.Tail> tails,
            List<FifoState.Event> events) {
        FifoState fifo = new FifoState(controls, List.of(), tails, events);
        EventChannelsState state =
                new EventChannelsState(FakeGuest.ID, 4, 64, List.of(), PirqsState.EMPTY, fifo);
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        EventChannels.restore(
                                state,
                                EvtchnOptions.of(4).withFifo(true),
                                guest.environment(guest::find, kernel),
                                new EventChannelMetrics(new SimpleMeterRegistry(), FakeGuest.ID)),
                state::toString);
    }

    @Test
    void contradictingStatesAreRefused() {
        DomId self = FakeGuest.ID;
        EvtchnStatus ipi = new EvtchnStatus.Ipi(vcpu(0));
        EvtchnStatus toSecond = new EvtchnStatus.Interdomain(vcpu(0), self, port(2));
        EvtchnStatus timer = new EvtchnStatus.VirqBound(vcpu(0), Virq.TIMER);
        assertRefused(new EventChannelsState.Port(0, ipi));
        assertRefused(new EventChannelsState.Port(64, ipi));
        assertRefused(new EventChannelsState.Port(-1, ipi));
        assertRefused(new EventChannelsState.Port(1, new EvtchnStatus.Ipi(vcpu(4))));
        assertRefused(new EventChannelsState.Port(1, new EvtchnStatus.Closed(vcpu(0))));
        assertRefused(new EventChannelsState.Port(1, toSecond));
        assertRefused(
                new EventChannelsState.Port(1, toSecond), new EventChannelsState.Port(2, ipi));
        assertRefused(new EventChannelsState.Port(1, ipi), new EventChannelsState.Port(1, ipi));
        assertRefused(new EventChannelsState.Port(1, timer), new EventChannelsState.Port(2, timer));
    }

    private void assertRefused(EventChannelsState.Port... ports) {
        EventChannelsState state =
                new EventChannelsState(FakeGuest.ID, 4, 64, List.of(ports), PirqsState.EMPTY, null);
        assertThrows(IllegalArgumentException.class, () -> restore(state), state::toString);
    }
}
