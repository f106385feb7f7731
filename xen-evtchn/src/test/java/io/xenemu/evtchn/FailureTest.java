package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Rounds;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Failures of one domain while another one sends to it, closes a channel to it, or ends beside it.
final class FailureTest {
    private static final DomId OTHER = new DomId(2);

    private final Arena arena = Arena.ofShared();
    private final Arena othersMemory = Arena.ofShared();
    private final FakeGuest guest = FakeGuest.wide(arena);
    private final FakeGuest other =
            new FakeGuest(othersMemory, GuestWidth.BITS_64, 4, OTHER, guest);
    private final List<Throwable> failures = new CopyOnWriteArrayList<>();

    private EvtchnPort near = EvtchnPort.NONE;
    private EvtchnPort far = EvtchnPort.NONE;

    @BeforeEach
    void connect() throws XenError {
        guest.kernel.rings = true;
        other.kernel.rings = true;
        far = other.channels.allocUnbound(DomId.SELF, FakeGuest.ID);
        near = guest.channels.bindInterdomain(OTHER, far);
        other.onFailure = failures::add;
        guest.upcalls.clear();
    }

    @AfterEach
    void free() {
        arena.close();
        if (othersMemory.scope().isAlive()) {
            othersMemory.close();
        }
    }

    /// KVM refuses everything about the other domain's ports from here on.
    private void refuseTheOthersPorts() {
        other.kernel.ports = 0;
    }

    @Test
    void anUpcallThatFailsEndsTheReceiverAndNotTheSender() throws XenError {
        KvmException refused = new KvmException("KVM_SIGNAL_MSI", 22);
        other.onUpcall =
                () -> {
                    throw refused;
                };
        guest.channels.send(near);
        assertEquals(List.of(refused), failures);
        assertTrue(other.pending(far.value()));
    }

    @Test
    void anUpcallThatFailsDoesNotReachABackEnd() throws XenError {
        EvtchnPort port = other.channels.allocUnbound(DomId.SELF, DomId.DOM0);
        ServicePort end = guest.service.bindInterdomain(OTHER, port, () -> {});
        other.onUpcall =
                () -> {
                    throw new OutOfMemoryError("test");
                };
        end.notifyGuest();
        assertInstanceOf(OutOfMemoryError.class, failures.getFirst());
    }

    @Test
    void memoryThatFailsEndsTheReceiverAndNotTheSender() throws XenError {
        othersMemory.close();
        guest.channels.send(near);
        assertEquals(1, failures.size());
    }

    @Test
    void closingEndsBothEndsThoughTheOtherKernelRefuses() throws XenError {
        refuseTheOthersPorts();
        guest.channels.close(near);
        assertFalse(failures.isEmpty());
        assertTrue(guest.kernel.table.isEmpty());
        assertTrue(guest.kernel.doorbells.isEmpty());
        assertEquals(
                new EvtchnStatus.Unbound(vcpu(0), FakeGuest.ID),
                other.channels.status(DomId.SELF, far));
        assertEquals(near, guest.channels.bindIpi(vcpu(0)), "the port is free again");
    }

    @Test
    void bindingConnectsBothEndsThoughTheOtherKernelRefuses() throws XenError {
        EvtchnPort another = other.channels.allocUnbound(DomId.SELF, FakeGuest.ID);
        refuseTheOthersPorts();
        EvtchnPort bound = guest.channels.bindInterdomain(OTHER, another);
        assertFalse(failures.isEmpty());
        guest.channels.send(bound);
        assertTrue(other.pending(another.value()));
    }

    @Test
    void aDomainEndsThoughTheOtherKernelRefuses() throws XenError {
        EvtchnPort second = guest.channels.bindIpi(vcpu(0));
        refuseTheOthersPorts();
        guest.channels.destroy();
        assertFalse(failures.isEmpty());
        assertEquals(List.of(), guest.channels.save().ports(), second::toString);
    }

    @Test
    void endOfADomainWhoseKernelRefusesLeavesItsPeersUnbound() throws XenError {
        refuseTheOthersPorts();
        othersMemory.close();
        other.channels.destroy();
        assertEquals(
                new EvtchnStatus.Unbound(vcpu(0), OTHER), guest.channels.status(DomId.SELF, near));
        guest.channels.send(near);
    }

    @Test
    void announcingAfterTheEndMakesNoUpcall() throws XenError {
        guest.channels.send(near);
        other.channels.destroy();
        other.upcalls.clear();
        assertTrue(other.upcallPending(0));
        other.channels.announcePending();
        assertEquals(List.of(), other.upcalls);
    }

    /// Each round a domain ends, its kernel, vCPUs and memory with it, while a peer sends to it, binds and closes.
    @Test
    void destroyWaitsForSendersThatAreStillInTheDomain() throws Exception {
        AtomicInteger late = new AtomicInteger();
        for (int round = 0; round < Rounds.of(60); round++) {
            Arena memory = Arena.ofShared();
            FakeGuest ending = new FakeGuest(memory, GuestWidth.BITS_64, 4, OTHER, guest);
            ending.kernel.rings = true;
            end(ending, memory, late);
        }
        assertEquals(0, late.get());
    }

    private void end(FakeGuest ending, Arena memory, AtomicInteger late) throws Exception {
        boolean[] gone = {false};
        ending.onUpcall =
                () -> {
                    // Long enough for an end that does not wait.
                    long until = System.nanoTime() + 20_000;
                    while (System.nanoTime() < until) {
                        Thread.onSpinWait();
                    }
                    synchronized (gone) {
                        late.addAndGet(gone[0] ? 1 : 0);
                    }
                };
        ending.onFailure = _ -> late.incrementAndGet();
        EvtchnPort first = ending.channels.allocUnbound(DomId.SELF, FakeGuest.ID);
        EvtchnPort second = ending.channels.allocUnbound(DomId.SELF, FakeGuest.ID);
        EvtchnPort sending = guest.channels.bindInterdomain(OTHER, first);
        Threads.together(
                () -> {
                    for (int i = 0; i < 50; i++) {
                        ending.setPending(first.value(), false);
                        ending.takeUpcall(0);
                    }
                    ending.channels.destroy();
                    synchronized (gone) {
                        gone[0] = true;
                    }
                    memory.close();
                    return null;
                },
                () -> guest.channels.send(sending),
                () -> bindAndClose(second));
        guest.channels.close(sending);
    }

    private void bindAndClose(EvtchnPort remote) {
        try {
            EvtchnPort port = guest.channels.bindInterdomain(OTHER, remote);
            guest.channels.send(port);
            guest.channels.close(port);
        } catch (XenError e) {
            assertEquals(XenError.EINVAL, e);
        }
    }
}
