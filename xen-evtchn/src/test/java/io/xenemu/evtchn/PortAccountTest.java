package io.xenemu.evtchn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class PortAccountTest {
    private static final int BUCKET = PortTable.BUCKET;

    private final Arena arena = Arena.ofShared();
    private final PortAccount account = new PortAccount(3 * BUCKET);
    private final FakeGuest first = guest(new DomId(1), null);
    private final FakeGuest second = guest(new DomId(2), first);

    @AfterEach
    void free() {
        arena.close();
    }

    private FakeGuest guest(DomId id, @Nullable FakeGuest host) {
        EvtchnOptions options = EvtchnOptions.of(1).withFifo(true);
        return new FakeGuest(arena, GuestWidth.BITS_64, options, id, host, account);
    }

    /// Binds ports until there are none.
    ///
    /// @return how many there were
    private static int bindAll(FakeGuest guest) {
        int bound = 0;
        while (true) {
            try {
                guest.channels.allocUnbound(DomId.SELF, DomId.DOM0);
                bound++;
            } catch (XenError e) {
                assertEquals(XenError.ENOSPC, e);
                return bound;
            }
        }
    }

    @Test
    void guestsShareTheRoomBeyondTheirFirstPorts() {
        assertEquals(2 * BUCKET - 1, bindAll(first));
        assertEquals(BUCKET - 1, bindAll(second));
        assertEquals(3 * BUCKET, account.used());
    }

    @Test
    void everyBindIsEnospcWithoutRoom() throws XenError {
        bindAll(first);
        bindAll(second);
        FakeGuest guest = second;
        EvtchnPort offered = EvtchnPort.of(1);
        assertFails(() -> guest.channels.bindIpi(FakeGuest.vcpu(0)));
        assertFails(() -> guest.channels.bindVirq(Virq.TIMER, FakeGuest.vcpu(0)));
        assertFails(() -> guest.channels.bindPirq(new Pirq(20), 0));
        assertFails(() -> guest.channels.bindInterdomain(new DomId(1), offered));
        guest.channels.close(offered);
        assertEquals(offered, guest.channels.bindIpi(FakeGuest.vcpu(0)));
    }

    private static void assertFails(Executable bind) {
        assertEquals(XenError.ENOSPC, assertThrows(XenError.class, bind));
    }

    /// As in Xen a table does not shrink before.
    @Test
    void endOfADomainGivesItsRoomBack() throws XenError {
        bindAll(first);
        first.channels.reset(DomId.SELF);
        assertEquals(BUCKET - 1, bindAll(second));
        first.channels.destroy();
        assertEquals(BUCKET, account.used());
        assertEquals(2 * BUCKET, bindAll(second));
        second.channels.destroy();
        assertEquals(0, account.used());
    }

    @Test
    void stateWithMorePortsThanThereIsRoomForIsRefused() throws XenError {
        bindAll(first);
        EventChannelsState state = first.channels.save();
        first.channels.destroy();
        PortAccount little = new PortAccount(BUCKET);
        FakeGuest target =
                new FakeGuest(
                        arena,
                        GuestWidth.BITS_64,
                        EvtchnOptions.of(1).withFifo(true),
                        FakeGuest.ID,
                        null,
                        little);
        long before = little.used();
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        EventChannels.restore(
                                state,
                                EvtchnOptions.of(1).withFifo(true),
                                target.environment(target::find, target.kernel),
                                new EventChannelMetrics(new SimpleMeterRegistry(), FakeGuest.ID)));
        assertEquals(before, little.used());
    }

    @Test
    void metersShowUseAndLimit() {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        account.register(registry);
        bindAll(first);
        assertEquals(3 * BUCKET, registry.get("xen.evtchn.table.ports").gauge().value());
        assertEquals(3 * BUCKET, registry.get("xen.evtchn.table.limit").gauge().value());
    }

    @Test
    void tableTakesAtMostHalfOfTheAccountedBytes() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        FakeGuest guest =
                new FakeGuest(
                        arena,
                        GuestWidth.BITS_64,
                        EvtchnOptions.of(1).withFifo(true),
                        FakeGuest.ID,
                        null);
        PortTable table = guest.channels.bindings.ports;
        long before = threads.getCurrentThreadAllocatedBytes();
        assertTrue(table.growTo(Fifo.PORTS));
        long perPort = (threads.getCurrentThreadAllocatedBytes() - before) / Fifo.PORTS;
        assertTrue(perPort <= PortAccount.BYTES_PER_PORT / 2, perPort + " bytes");
    }
}
