package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Operations that a guest can repeat without limit leave no garbage.
final class AllocationTest {
    private static final int ROUNDS = 20_000;
    private static final VcpuId FIRST = vcpu(0);

    private final Arena arena = Arena.ofShared();
    private final FakeGuest guest = FakeGuest.wide(arena);
    private final EventChannels channels = guest.channels;

    @AfterEach
    void free() {
        arena.close();
    }

    private interface Operation {
        void run() throws XenError;
    }

    private static void assertAllocatesNothing(Operation operation) throws XenError {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        for (int i = 0; i < ROUNDS; i++) {
            operation.run();
        }
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < ROUNDS; i++) {
            operation.run();
        }
        long bytes = threads.getCurrentThreadAllocatedBytes() - before;
        // Less than a byte for each: the JVM itself allocates now and then, when it links or
        // compiles.
        assertTrue(bytes < ROUNDS, bytes + " bytes in " + ROUNDS + " operations");
    }

    @Test
    void allocUnboundAndCloseAllocateNothing() throws XenError {
        assertAllocatesNothing(() -> channels.close(channels.allocUnbound(DomId.SELF, DomId.DOM0)));
    }

    @Test
    void bindVirqAndCloseAllocateNothing() throws XenError {
        assertAllocatesNothing(() ->
                channels.close(channels.bindVirq(Virq.of(1), channels.vcpuId(FIRST.value()))));
    }

    @Test
    void sendAndUnmaskAllocateNothing() throws XenError {
        EvtchnPort stays = channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort port = channels.bindInterdomain(DomId.SELF, stays);
        guest.setMasked(stays.value(), true);
        assertAllocatesNothing(() -> {
            channels.send(EvtchnPort.of(port.value()));
            channels.unmask(EvtchnPort.of(stays.value()));
        });
    }

    @Test
    void sendAndUnmaskAllocateNothingWithFifo() throws XenError {
        FifoGuest fifo = new FifoGuest(arena, 1).start(1);
        EvtchnPort first = fifo.guest.channels.bindIpi(FIRST);
        EvtchnPort second = fifo.guest.channels.bindIpi(FIRST);
        assertAllocatesNothing(() -> {
            fifo.setWord(first.value(), FifoGuest.MASKED);
            fifo.setWord(second.value(), 0);
            fifo.guest.channels.send(first);
            fifo.guest.channels.send(second);
            fifo.guest.channels.unmask(first);
        });
    }

    @Test
    void interruptsAsEventsAllocateNothing() throws XenError {
        Pirqs pirqs = channels.pirqs();
        Pirq gsi = pirqs.mapGsi(20, -1);
        Pirq message = new Pirq(100);
        EvtchnPort port = channels.bindPirq(gsi, 0);
        channels.bindPirq(message, 0);
        guest.setMasked(port.value(), true);
        guest.setMasked(port.value() + 1, true);
        assertAllocatesNothing(() -> {
            pirqs.setGsi(20, true);
            pirqs.eoi(gsi);
            pirqs.setGsi(20, false);
            pirqs.raiseMsi(message);
        });
    }

    @Test
    void bindPirqAndCloseAllocateNothing() throws XenError {
        Pirq pirq = new Pirq(100);
        assertAllocatesNothing(() -> channels.close(channels.bindPirq(pirq, 0)));
    }

    @Test
    void notifyingAGuestAllocatesNothing() throws XenError {
        EvtchnPort port = channels.allocUnbound(DomId.SELF, DomId.DOM0);
        ServicePort end = guest.service.bindInterdomain(FakeGuest.ID, port, () -> {});
        assertAllocatesNothing(end::notifyGuest);
    }

    @Test
    void refusedCallsAllocateNothing() throws XenError {
        EvtchnPort closed = EvtchnPort.of(9);
        assertAllocatesNothing(() -> {
            try {
                channels.send(closed);
            } catch (XenError e) {
                assertEquals(XenError.EINVAL, e);
            }
        });
        assertThrows(XenError.class, () -> channels.send(closed));
    }
}
