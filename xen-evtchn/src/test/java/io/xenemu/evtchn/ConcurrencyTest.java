package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
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

    /// A thread's work, repeated until the first of all threads has ended.
    private interface Work {
        void run() throws XenError;
    }

    private static void together(Callable<Void> main, Work... others) throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            List<Future<?>> running = new ArrayList<>();
            for (Work work : others) {
                running.add(
                        threads.submit(() -> {
                            while (!done.get()) {
                                work.run();
                            }
                            return null;
                        }));
            }
            try {
                main.call();
            } finally {
                done.set(true);
            }
            for (Future<?> future : running) {
                future.get();
            }
        }
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
        Work sender = () -> sendOn(port);
        Work unmasker = () -> channels.unmask(port);
        AtomicInteger delivered = new AtomicInteger();
        together(
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
        together(
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
        together(
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
        Work anything = () -> anyOperation(random.get(), end[0]);
        together(
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
