package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Operations of several threads at once.
final class ConcurrencyTest {
    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final int ROUNDS = 20_000;

    private final Arena arena = Arena.ofShared();
    private final FakeGuest guest = FakeGuest.wide(arena);
    private final EventChannels channels = guest.channels;

    @AfterEach
    void free() {
        arena.close();
    }

    private void sendOn(EvtchnPort port) {
        try {
            channels.send(port);
        } catch (XenError e) {
            assertEquals(XenError.EINVAL, e);
        }
    }

    @Test
    void noSendOutlivesTheCloseOfItsPort() throws Exception {
        EvtchnPort port = EvtchnPort.of(1);
        Threads.Work sender = () -> sendOn(port);
        Threads.Work unmasker = () -> channels.unmask(port);
        AtomicInteger delivered = new AtomicInteger();
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        assertEquals(port, channels.bindIpi(vcpu(1)));
                        Thread.onSpinWait();
                        delivered.addAndGet(guest.pending(port.value()) ? 1 : 0);
                        channels.close(port);
                        assertFalse(guest.pending(port.value()), "an event for the next user");
                        Thread.onSpinWait();
                        assertFalse(guest.pending(port.value()), "an event for the next user");
                    }
                    return null;
                },
                sender,
                sender,
                unmasker);
    }

    @Test
    void noSendOnTheOtherEndOutlivesClose() throws Exception {
        EvtchnPort stays = channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort port = EvtchnPort.of(2);
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        assertEquals(port, channels.bindInterdomain(DomId.SELF, stays));
                        channels.close(port);
                        assertFalse(guest.pending(port.value()), "an event for the next user");
                    }
                    return null;
                },
                () -> sendOn(stays),
                () -> sendOn(port));
    }

    /// The guest masks, unmasks and consumes as Linux does. Whatever remains at the end has been announced.
    @Test
    void noAnnouncementIsLost() throws Exception {
        EvtchnPort port = channels.bindIpi(vcpu(0));
        int bit = 1 << port.value();
        AtomicInteger consumed = new AtomicInteger();
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        channels.send(port);
                    }
                    return null;
                },
                () -> {
                    WORD.getAndBitwiseOr(guest.shared, 0xa00L, bit);
                    channels.unmask(port);
                },
                () -> {
                    if (((int) WORD.getVolatile(guest.vcpuInfos[0], 0L) & 0xff) == 0) {
                        return;
                    }
                    WORD.getAndBitwiseAnd(guest.vcpuInfos[0], 0L, ~0xff);
                    int selected = (int) WORD.getAndSet(guest.vcpuInfos[0], 8L, 0);
                    int masked = (int) WORD.getVolatile(guest.shared, 0xa00L);
                    if ((selected & 1) != 0 && (masked & bit) == 0) {
                        int old = (int) WORD.getAndBitwiseAnd(guest.shared, 0x800L, ~bit);
                        consumed.addAndGet((old & bit) != 0 ? 1 : 0);
                    }
                });
        channels.unmask(port);
        if (guest.pending(port.value())) {
            assertEquals(1, guest.selector(0));
            assertTrue(guest.upcallPending(0));
        } else {
            assertTrue(consumed.get() > 0);
        }
    }

    /// The fake kernel refuses an entry that exists and the removal of one that does not, as KVM does.
    @Test
    void theKernelsTableFollowsInOrder() throws Exception {
        AtomicInteger seeds = new AtomicInteger();
        ServicePort[] end = {guest.service.allocUnbound(FakeGuest.ID, () -> {})};
        ThreadLocal<Random> random =
                ThreadLocal.withInitial(() -> new Random(seeds.incrementAndGet()));
        Threads.Work anything = () -> anyOperation(random.get(), end[0]);
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        anything.run();
                    }
                    return null;
                },
                anything,
                anything);
        Map<Integer, String> wanted = new TreeMap<>();
        for (EventChannelsState.Port port : channels.save().ports()) {
            switch (port.status()) {
                case EvtchnStatus.Ipi ipi -> wanted.put(port.number(), "" + ipi.vcpu().value());
                case EvtchnStatus.Interdomain far ->
                        wanted.put(
                                port.number(),
                                far.remote().equals(DomId.DOM0)
                                        ? "eventfd"
                                        : "" + vcpuOf(far.port()));
                default -> {}
            }
        }
        Map<Integer, String> actual = new TreeMap<>();
        guest.kernel.table.forEach((number, entry) ->
                actual.put(
                        number,
                        switch (entry) {
                            case FakeKernel.Entry.Port(_, int vcpu) -> "" + vcpu;
                            case FakeKernel.Entry.EventFd _ -> "eventfd";
                            case FakeKernel.Entry.Ringing _ -> "doorbell";
                        }));
        assertEquals(wanted, actual);
    }

    /// The guest takes what is announced at either vCPU. An event that remains is still announced somewhere.
    @Test
    void anEventIsAnnouncedWhileItsPortMoves() throws Exception {
        EvtchnPort port = channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort sender = channels.bindInterdomain(DomId.SELF, port);
        guest.setPending(sender.value(), false);
        guest.takeUpcall(0);
        int bit = 1 << port.value();
        Random random = new Random(1);
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        channels.send(sender);
                    }
                    return null;
                },
                () -> channels.bindVcpu(port, vcpu(random.nextInt(2))),
                () -> {
                    for (MemorySegment info : List.of(guest.vcpuInfos[0], guest.vcpuInfos[1])) {
                        WORD.getAndBitwiseAnd(info, 0L, ~0xff);
                        if (((int) WORD.getAndSet(info, 8L, 0) & 1) != 0) {
                            WORD.getAndBitwiseAnd(guest.shared, 0x800L, ~bit);
                        }
                    }
                });
        assertEquals(guest.pending(port.value()), (guest.selector(0) | guest.selector(1)) != 0);
    }

    @Test
    void nothingOutlivesReset() throws Exception {
        AtomicInteger seeds = new AtomicInteger();
        ThreadLocal<Random> random =
                ThreadLocal.withInitial(() -> new Random(seeds.incrementAndGet()));
        ServicePort end = guest.service.allocUnbound(FakeGuest.ID, () -> {});
        Threads.Work anything =
                () -> {
                    anyOperation(random.get(), end);
                    sendOn(EvtchnPort.of(random.get().nextInt(1, 8)));
                    channels.unmask(EvtchnPort.of(random.get().nextInt(1, 8)));
                };
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS / 20; i++) {
                        resetUnlessBound();
                    }
                    return null;
                },
                anything,
                anything,
                this::resetUnlessBound);
        channels.reset(DomId.SELF);
        assertEquals(List.of(), channels.save().ports());
        assertEquals(Map.of(), guest.kernel.table);
        for (int i = 1; i < 64; i++) {
            assertFalse(guest.pending(i), "an event for the next user");
        }
    }

    private void resetUnlessBound() {
        try {
            channels.reset(DomId.SELF);
        } catch (XenError e) {
            assertTrue(List.of(XenError.EBUSY, XenError.EAGAIN).contains(e), e::symbol);
        }
    }

    /// Two guests connect, move, close and reset; their kernels refuse what does not fit together.
    @Test
    void doorbellsFollowInOrder() throws Exception {
        FakeGuest other = new FakeGuest(arena, GuestWidth.BITS_64, 4, new DomId(2), guest);
        guest.kernel.rings = true;
        other.kernel.rings = true;
        guest.kernel.unreachable.add(vcpu(3));
        Random first = new Random(1);
        Random second = new Random(2);
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        anyOperation(first, channels, new DomId(2));
                    }
                    return null;
                },
                () -> anyOperation(second, other.channels, FakeGuest.ID));
        for (FakeGuest one : List.of(guest, other)) {
            FakeGuest far = one == guest ? other : guest;
            Map<Integer, Integer> wanted = new TreeMap<>();
            Set<Integer> ringing = new TreeSet<>();
            for (EventChannelsState.Port port : one.channels.save().ports()) {
                if (port.status() instanceof EvtchnStatus.Interdomain end) {
                    if (one.kernel.reaches(end.vcpu())) {
                        wanted.put(port.number(), end.vcpu().value());
                    }
                    if (far.kernel.doorbells.containsKey(end.port().value())) {
                        ringing.add(port.number());
                    }
                }
            }
            Map<Integer, Integer> actual = new TreeMap<>();
            one.kernel.doorbells.forEach((port, doorbell) -> actual.put(port, doorbell.vcpu));
            assertEquals(wanted, actual);
            assertEquals(ringing, one.kernel.table.keySet());
        }
    }

    private static void anyOperation(Random random, EventChannels guest, DomId other) {
        EvtchnPort port = EvtchnPort.of(random.nextInt(1, 8));
        try {
            switch (random.nextInt(20)) {
                case 0, 1, 2, 3 -> guest.allocUnbound(DomId.SELF, other);
                case 4, 5, 6, 7, 8, 9 -> guest.bindInterdomain(other, port);
                case 10, 11, 12 -> guest.bindVcpu(port, vcpu(random.nextInt(4)));
                case 13 -> guest.reset(DomId.SELF);
                case 14, 15 -> guest.send(port);
                default -> guest.close(port);
            }
        } catch (XenError e) {
            assertEquals(XenError.EINVAL, e);
        }
    }

    private int vcpuOf(EvtchnPort port) throws XenError {
        return channels.status(DomId.SELF, port).vcpu().value();
    }

    private void anyOperation(Random random, ServicePort end) {
        EvtchnPort port = EvtchnPort.of(random.nextInt(1, 8));
        try {
            switch (random.nextInt(7)) {
                case 0 -> channels.bindIpi(vcpu(random.nextInt(4)));
                case 1 -> channels.allocUnbound(DomId.SELF, DomId.SELF);
                case 2 -> channels.bindInterdomain(DomId.SELF, port);
                case 3 -> channels.bindVcpu(port, vcpu(random.nextInt(4)));
                case 4 -> channels.bindInterdomain(DomId.DOM0, end.port());
                default -> channels.close(port);
            }
        } catch (XenError e) {
            assertTrue(List.of(XenError.EINVAL, XenError.ENOSPC).contains(e), e::symbol);
        }
    }
}
