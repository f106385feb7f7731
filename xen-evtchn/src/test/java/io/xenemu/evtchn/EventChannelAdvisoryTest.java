package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.port;
import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/// Flaws of event channels, by Xen's security advisories, must not be possible here. One method each, named after
/// it.
///
/// XSA-332 is about the service as well, whose threads a guest makes run: see `EventFdThreadsTest`.
@Timeout(60)
final class EventChannelAdvisoryTest {
    private static final int ROUNDS = 2000;
    private static final int SECONDS = 20;
    private static final DomId OTHER = new DomId(2);

    /// Where the guest has no page.
    private static final long NOWHERE = 0x9999;

    private final Arena arena = Arena.ofShared();
    private final FifoGuest fifo = new FifoGuest(arena, 2);
    private final FakeGuest guest = fifo.guest;
    private final EventChannels channels = guest.channels;

    @AfterEach
    void free() {
        arena.close();
    }

    private static void assertFails(XenError expected, Executable operation) {
        assertSame(expected, assertThrows(XenError.class, operation));
    }

    private static void ignoring(Set<XenError> expected, Threads.Work work) {
        try {
            work.run();
        } catch (XenError e) {
            assertTrue(expected.contains(e), e::symbol);
        }
    }

    /// Binds ports until there are none.
    ///
    /// @return how many there were
    private static int bindAll(EventChannels channels) {
        int bound = 0;
        while (true) {
            try {
                channels.bindIpi(vcpu(0));
                bound++;
            } catch (XenError e) {
                assertSame(XenError.ENOSPC, e);
                return bound;
            }
        }
    }

    /// Xen crashed when an event came for a vCPU without a FIFO control block, or when vCPU 0 had none.
    @Test
    void xsa107_eventsWaitForTheControlBlockOfTheirVcpu() throws XenError {
        EvtchnPort early = channels.bindIpi(vcpu(0));
        fifo.initControl(1);
        fifo.expand();
        EvtchnPort late = channels.bindIpi(vcpu(0));
        EvtchnPort timer = channels.bindVirq(Virq.TIMER, vcpu(0));
        EvtchnPort moving = channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort sender = channels.bindInterdomain(DomId.SELF, moving);
        channels.bindVcpu(moving, vcpu(1));
        channels.send(sender);
        assertEquals(List.of(moving.value()), fifo.consume(1));

        channels.bindVcpu(moving, vcpu(0));
        channels.send(early);
        channels.send(late);
        assertTrue(channels.raiseVcpu(Virq.TIMER, vcpu(0)));
        channels.send(sender);
        List<EvtchnPort> waiting = List.of(early, late, timer, moving);
        for (EvtchnPort port : waiting) {
            assertTrue(channels.isPending(port));
            assertFalse(fifo.linked(port.value()));
        }

        fifo.initControl(0);
        for (EvtchnPort port : waiting) {
            channels.unmask(port);
        }
        assertEquals(waiting.stream().map(EvtchnPort::value).toList(), fifo.consume(0));
    }

    /// A control block at a bad frame left a pointer to freed memory, which the next operation used.
    @Test
    void xsa188_badFrameOfAControlBlockLeavesNothingBehind() throws XenError {
        EvtchnPort port = channels.bindIpi(vcpu(0));
        assertFails(XenError.EINVAL, () -> channels.initControl(vcpu(0), NOWHERE, 0));
        assertFails(XenError.EOPNOTSUPP, () -> channels.expandArray(NOWHERE));
        assertFails(XenError.EINVAL, () -> channels.initControl(vcpu(0), NOWHERE, 0));
        channels.send(port);
        assertTrue(guest.pending(port.value()), "still the 2-level ABI");

        fifo.initControl(0);
        assertFails(XenError.EINVAL, () -> channels.initControl(vcpu(1), NOWHERE, 0));
        assertFails(XenError.EINVAL, () -> channels.expandArray(NOWHERE));
        fifo.initControl(1);
        fifo.expand();
        assertEquals(List.of(port.value()), fifo.consume(0));
    }

    /// Poll and others followed null pointers: of ports that are in no bucket, or have no event word.
    @Test
    void xsa221_portsWithoutABucketOrAWordAreHandled() throws XenError {
        fifo.start(0);
        EvtchnPort port = channels.bindIpi(vcpu(0));
        channels.send(port);
        assertTrue(channels.isPending(port));
        channels.unmask(port);
        channels.setPriority(port, 3);
        channels.close(port);
        assertFails(XenError.EINVAL, () -> channels.isPending(port));

        for (int number : new int[] {64, 5000, 131_071, 131_072, Integer.MAX_VALUE, -1}) {
            EvtchnPort none = EvtchnPort.of(number);
            assertFails(XenError.EINVAL, () -> channels.isPending(none));
            assertFails(XenError.EINVAL, () -> channels.unmask(none));
            assertFails(XenError.EINVAL, () -> channels.send(none));
            assertFails(XenError.EINVAL, () -> channels.close(none));
            assertFails(XenError.EINVAL, () -> channels.bindVcpu(none, vcpu(1)));
            assertFails(XenError.EINVAL, () -> channels.setPriority(none, 3));
            assertFails(XenError.EINVAL, () -> channels.status(DomId.SELF, none));
        }
    }

    /// The number of event words grew before the words were there, and nothing ordered the two.
    @Test
    void xsa221_eventsOfWordsThatAreJustBeingAddedAreNotLost() throws Exception {
        fifo.start(0);
        int ports = bindAll(channels) + 1;
        AtomicInteger next = new AtomicInteger(1024);
        AtomicInteger sends = new AtomicInteger();
        BitSet sent = new BitSet();
        Threads.together(
                () -> {
                    while (next.get() < ports) {
                        int before = sends.get();
                        await(sends, before + 10);
                        fifo.expand();
                        next.addAndGet(1024);
                    }
                    return null;
                },
                () -> {
                    int first = next.get() - 1024;
                    int port = first + 1 + sends.incrementAndGet() % 64;
                    if (port < ports) {
                        sent.set(port);
                        channels.send(port(port));
                        boolean _ = channels.isPending(port(port));
                    }
                });
        fifo.expand();
        BitSet taken = new BitSet();
        fifo.consume(0).forEach(taken::set);
        assertEquals(sent, taken);
    }

    /// A failure to find a port was ignored, and a port used that was not there.
    @Test
    void xsa317_bindThatFindsNoPortChangesNothing() throws XenError {
        EvtchnPort offered = channels.allocUnbound(DomId.SELF, DomId.SELF);
        int bound = 1 + bindAll(channels);
        assertEquals(TwoLevel.MAX_PORTS - 1, bound, "the limit of the domain is higher");
        assertFails(XenError.ENOSPC, () -> channels.allocUnbound(DomId.SELF, DomId.DOM0));
        assertFails(XenError.ENOSPC, () -> channels.bindInterdomain(DomId.SELF, offered));
        assertFails(XenError.ENOSPC, () -> channels.bindVirq(Virq.TIMER, vcpu(0)));
        assertFails(XenError.ENOSPC, () -> channels.bindPirq(new Pirq(20), 0));
        assertInstanceOf(EvtchnStatus.Unbound.class, channels.status(DomId.SELF, offered));
        assertEquals(bound, channels.save().ports().size());

        channels.close(port(77));
        assertEquals(port(77), channels.bindVirq(Virq.TIMER, vcpu(0)));
        channels.close(port(77));
        assertEquals(port(77), channels.bindPirq(new Pirq(20), 0));
    }

    /// Events at a high rate kept their receiver busy for good. An event that waits already costs its receiver nothing.
    @Test
    void xsa332_portThatIsPendingIsNotAnnouncedAgain() throws XenError {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, OTHER, guest);
        for (boolean isFifo : new boolean[] {false, true}) {
            if (isFifo) {
                fifo.start(1);
            }
            EvtchnPort receiver = channels.allocUnbound(DomId.SELF, OTHER);
            EvtchnPort flood = other.channels.bindInterdomain(FakeGuest.ID, receiver);
            guest.upcalls.clear();
            for (int i = 0; i < 10_000; i++) {
                other.channels.send(flood);
            }
            assertEquals(List.of(0), guest.upcalls);
            channels.reset(DomId.SELF);
            guest.takeUpcall(0);
        }
    }

    /// A valid port became invalid by a reset. Code that still held it, as the other end of a channel, ran into an
    /// assertion.
    @Test
    void xsa338_portsStayValidWhenTheLimitFalls() throws XenError {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, OTHER, guest);
        fifo.start(5);
        for (int i = 0; i < 4999; i++) {
            channels.bindIpi(vcpu(0));
        }
        EvtchnPort far = other.channels.allocUnbound(DomId.SELF, FakeGuest.ID);
        EvtchnPort high = channels.bindInterdomain(OTHER, far);
        assertEquals(port(5000), high);

        channels.reset(DomId.SELF);

        assertInstanceOf(EvtchnStatus.Closed.class, channels.status(DomId.SELF, high));
        channels.unmask(high);
        assertFails(XenError.EINVAL, () -> channels.isPending(high));
        assertFails(XenError.EINVAL, () -> channels.send(high));
        assertFails(XenError.EINVAL, () -> channels.close(high));
        other.channels.send(far);
        assertInstanceOf(EvtchnStatus.Unbound.class, other.channels.status(DomId.SELF, far));
        assertEquals(port(1), channels.bindInterdomain(OTHER, far));
        other.channels.close(far);
    }

    /// The number of valid ports could be seen to grow before the ports were there.
    @Test
    void xsa340_newPortsAreCompleteOrInvalid() throws Exception {
        fifo.start(0);
        AtomicInteger bound = new AtomicInteger();
        AtomicInteger ahead = new AtomicInteger();
        Threads.Work reader =
                () -> {
                    EvtchnPort port = port(bound.get() + ahead.getAndIncrement() % 64 + 1);
                    ignoring(Set.of(XenError.EINVAL), () -> channels.send(port));
                    ignoring(Set.of(XenError.EINVAL), () -> channels.unmask(port));
                    ignoring(Set.of(XenError.EINVAL), () -> channels.isPending(port));
                };
        Threads.together(
                () -> {
                    for (int i = 1; i < Fifo.PORTS; i++) {
                        bound.set(channels.bindIpi(vcpu(0)).value());
                    }
                    return null;
                },
                reader,
                reader);
        assertFails(XenError.ENOSPC, () -> channels.bindIpi(vcpu(0)));
    }

    /// 32-bit guests were given ports beyond their bitmaps, whose events were written over shared_info and vcpu_info.
    @Test
    void xsa342_32BitGuestHasNoPortBeyondItsBitmaps() {
        FakeGuest narrow = new FakeGuest(arena, GuestWidth.BITS_32, 2);
        assertEquals(1023, bindAll(narrow.channels));
    }

    @Test
    void xsa342_portsBeyondTheBitmapsOfANewWidthWriteNothing() throws XenError {
        int count = 2000;
        for (int i = 0; i < count; i++) {
            channels.bindIpi(vcpu(0));
        }
        channels.narrowKernelPorts(GuestWidth.BITS_32);
        guest.kernel.ports = TwoLevel.limit(GuestWidth.BITS_32);
        channels.setSharedInfo(guest.shared, GuestWidth.BITS_32);
        guest.shared.fill((byte) 0x5a);
        MemorySegment before = arena.allocate(guest.shared.byteSize()).copyFrom(guest.shared);

        for (int i = TwoLevel.limit(GuestWidth.BITS_32); i <= count; i++) {
            EvtchnPort port = port(i);
            channels.send(port);
            channels.unmask(port);
            assertFalse(channels.isPending(port));
            channels.close(port);
            assertFails(XenError.EINVAL, () -> channels.send(port));
        }
        assertEquals(-1, guest.shared.mismatch(before));
    }

    /// A reset raced with everything: a port opened meanwhile could be beyond the limit afterwards.
    @Test
    void xsa343_resetDoesNotSucceedWithAPortThatWasBoundMeanwhile() throws Exception {
        fifo.start(5);
        for (int i = 0; i < 4999; i++) {
            channels.bindIpi(vcpu(0));
        }
        channels.bindVirq(Virq.TIMER, vcpu(0));
        AtomicReference<EvtchnPort> meanwhile = new AtomicReference<>();
        guest.kernel.onTimerChange = () -> meanwhile.set(bindIpiElsewhere());

        assertFails(XenError.EAGAIN, () -> channels.reset(DomId.SELF));

        guest.kernel.onTimerChange = () -> {};
        EvtchnPort port = meanwhile.get();
        assertTrue(channels.isFifo());
        channels.send(port);
        assertTrue(channels.isPending(port));
        channels.reset(DomId.SELF);
        assertFalse(channels.isFifo());
    }

    @Test
    void xsa343_nothingRacesWithAReset() throws Exception {
        Set<XenError> refusals =
                Set.of(XenError.EINVAL, XenError.EACCES, XenError.ENOSYS, XenError.EEXIST);
        Threads.Work anything =
                () -> {
                    EvtchnPort port = channels.bindIpi(vcpu(1));
                    ignoring(refusals, () -> channels.bindVirq(Virq.TIMER, vcpu(0)));
                    ignoring(refusals, () -> channels.send(port));
                    ignoring(refusals, () -> channels.isPending(port));
                    ignoring(refusals, () -> channels.unmask(port));
                    ignoring(refusals, () -> channels.setPriority(port, 3));
                    boolean _ = channels.raiseVcpu(Virq.TIMER, vcpu(0));
                    ignoring(refusals, () -> channels.close(port));
                };
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        ignoring(Set.of(XenError.EAGAIN), () -> channels.reset(DomId.SELF));
                        if (!channels.isFifo()) {
                            fifo.start(1);
                        }
                    }
                    return null;
                },
                anything,
                anything);
        channels.reset(DomId.SELF);
        assertEquals(List.of(), channels.save().ports());
    }

    /// Closing all ports of a domain took long, and nothing else could be done meanwhile.
    @Test
    void xsa344_othersGoOnDuringAReset() throws XenError {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, OTHER, guest);
        channels.bindVirq(Virq.TIMER, vcpu(0));
        EvtchnPort shared = channels.allocUnbound(DomId.SELF, OTHER);
        EvtchnPort far = other.channels.bindInterdomain(FakeGuest.ID, shared);
        AtomicInteger served = new AtomicInteger();
        guest.kernel.onTimerChange =
                () -> {
                    elsewhere(() -> other.channels.send(far));
                    elsewhere(() -> other.channels.close(far));
                    elsewhere(() -> channels.status(DomId.SELF, shared));
                    served.incrementAndGet();
                };

        channels.reset(DomId.SELF);

        assertEquals(1, served.get());
    }

    /// Others' calls go on while a domain ends.
    @Test
    void xsa344_othersGoOnDuringTheEndOfADomain() throws XenError {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 1, OTHER, guest);
        channels.bindVirq(Virq.TIMER, vcpu(0));
        EvtchnPort shared = channels.allocUnbound(DomId.SELF, OTHER);
        EvtchnPort far = other.channels.bindInterdomain(FakeGuest.ID, shared);
        AtomicInteger served = new AtomicInteger();
        guest.kernel.onTimerChange =
                () -> {
                    elsewhere(() -> other.channels.send(far));
                    elsewhere(() -> other.channels.close(far));
                    served.incrementAndGet();
                };

        channels.destroy();

        assertEquals(1, served.get());
        assertFails(XenError.EINVAL, () -> channels.bindIpi(vcpu(0)));
    }

    private EvtchnPort bindIpiElsewhere() {
        AtomicReference<EvtchnPort> bound = new AtomicReference<>();
        elsewhere(() -> bound.set(channels.bindIpi(vcpu(1))));
        return bound.get();
    }

    /// Does something on another thread, which shares no lock with this one, and waits for it.
    private static void elsewhere(Threads.Work work) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        Thread.ofPlatform()
                .daemon()
                .start(() -> {
                    try {
                        work.run();
                        done.complete(null);
                    } catch (XenError | RuntimeException e) {
                        done.completeExceptionally(e);
                    }
                });
        done.orTimeout(SECONDS, TimeUnit.SECONDS).join();
    }

    /// Waits for another thread; one that has failed is seen when the time is over.
    private static void await(AtomicInteger count, int wanted) {
        Eventually.holds("the other thread comes to " + wanted, () -> count.get() >= wanted);
    }

    /// An event found the control block, but not yet the queues that belong to it.
    @Test
    void xsa358_eventsThatMeetTheSetUpOfAControlBlockAreNotLost() throws Exception {
        for (int round = 0; round < ROUNDS / 10; round++) {
            EvtchnPort port = channels.bindIpi(vcpu(1));
            fifo.initControl(0);
            fifo.expand();
            AtomicInteger sent = new AtomicInteger();
            Threads.together(
                    () -> {
                        await(sent, 1);
                        fifo.initControl(1);
                        return null;
                    },
                    () -> {
                        channels.send(port);
                        sent.incrementAndGet();
                    });
            channels.unmask(port);
            assertEquals(List.of(port.value()), fifo.consume(1));
            channels.reset(DomId.SELF);
            fifo.forget();
        }
    }

    /// An event found the FIFO ABI in force, but not yet its event words.
    @Test
    void xsa359_eventsThatMeetTheSwitchToFifoAreNotLost() throws Exception {
        for (int round = 0; round < ROUNDS / 10; round++) {
            EvtchnPort port = channels.bindIpi(vcpu(1));
            AtomicInteger sent = new AtomicInteger();
            Threads.together(
                    () -> {
                        await(sent, 1);
                        fifo.start(1);
                        return null;
                    },
                    () -> {
                        channels.send(port);
                        channels.unmask(port);
                        sent.incrementAndGet();
                    });
            channels.unmask(port);
            assertEquals(List.of(port.value()), fifo.consume(1));
            channels.reset(DomId.SELF);
        }
    }

    /// A page of event words was added without the lock, while a reset took the array away (CVE-2026-62432).
    @Test
    void xsa505_expandMeetsNoResetHalfWay() throws Exception {
        guest.pages.put(NOWHERE, arena.allocate(4096, 4096));
        Set<XenError> refusals = Set.of(XenError.EOPNOTSUPP, XenError.ENOSPC);
        Threads.Work expand = () -> ignoring(refusals, () -> channels.expandArray(NOWHERE));
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        fifo.initControl(0);
                        channels.reset(DomId.SELF);
                        assertFalse(channels.isFifo());
                    }
                    return null;
                },
                expand,
                expand);
        assertFails(XenError.EOPNOTSUPP, () -> channels.expandArray(NOWHERE));
    }
}
