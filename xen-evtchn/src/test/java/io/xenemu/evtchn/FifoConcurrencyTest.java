package io.xenemu.evtchn;

import static io.xenemu.evtchn.FakeGuest.vcpu;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.Rounds;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Queues with several senders, movers and a guest at work.
final class FifoConcurrencyTest {
    private static final int ROUNDS = 20_000;
    private static final int PAIRS = 6;

    private final Arena arena = Arena.ofShared();
    private final FifoGuest guest = new FifoGuest(arena, 2);
    private final EventChannels channels = guest.guest.channels;

    @AfterEach
    void free() {
        arena.close();
    }

    /// Loopback channels: ports 1, 3, … receive what is sent on 2, 4, …
    private void connectPairs() throws XenError {
        for (int i = 0; i < PAIRS; i++) {
            EvtchnPort receiver = channels.allocUnbound(DomId.SELF, DomId.SELF);
            channels.bindInterdomain(DomId.SELF, receiver);
        }
    }

    private static EvtchnPort receiver(Random random) {
        return EvtchnPort.of(2 * random.nextInt(PAIRS) + 1);
    }

    private static EvtchnPort sender(Random random) {
        return EvtchnPort.of(2 * random.nextInt(PAIRS) + 2);
    }

    private void assertNothingIsLeft() {
        guest.consume(0);
        guest.consume(1);
        for (int i = 1; i <= 2 * PAIRS; i++) {
            assertEquals(0, guest.word(i), "port " + i + " is pending, but in no queue");
        }
    }

    @Test
    void noEventOfSeveralSendersIsLostWhilePortsMove() throws Exception {
        guest.start(1);
        connectPairs();
        AtomicInteger taken = new AtomicInteger();
        Random[] random = {new Random(1), new Random(2), new Random(3)};
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        channels.send(sender(random[0]));
                    }
                    // On a busy machine the guest may not have had a turn until now.
                    Eventually.holds("an event that the guest takes", () -> taken.get() > 0);
                    return null;
                },
                () -> channels.send(sender(random[1])),
                () -> {
                    channels.bindVcpu(receiver(random[2]), vcpu(random[2].nextInt(2)));
                    channels.setPriority(receiver(random[2]), random[2].nextInt(16));
                    Thread.onSpinWait();
                },
                () -> taken.addAndGet(guest.consume(0, 5).size()),
                () -> taken.addAndGet(guest.consume(1, 5).size()));
        assertNothingIsLeft();
    }

    @Test
    void noEventIsLostWhilePortsAreMaskedAndUnmasked() throws Exception {
        guest.start(1);
        connectPairs();
        Random[] random = {new Random(1), new Random(2)};
        Threads.together(
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        channels.send(sender(random[0]));
                    }
                    return null;
                },
                () -> {
                    EvtchnPort port = receiver(random[1]);
                    guest.mask(port.value());
                    channels.unmask(port);
                },
                () -> guest.consume(0, 5));
        assertNothingIsLeft();
    }

    /// Each port is sent on once, somewhen around the switch.
    @Test
    void noEventIsLostAtTheSwitch() throws Exception {
        for (int round = 0; round < Rounds.of(100); round++) {
            List<EvtchnPort> ports = new ArrayList<>();
            for (int i = 0; i < 32; i++) {
                ports.add(channels.bindIpi(vcpu(i % 2)));
            }
            AtomicInteger next = new AtomicInteger();
            Threads.together(
                    () -> {
                        guest.start(1);
                        Eventually.holds("a send on each port", () -> next.get() >= ports.size());
                        return null;
                    },
                    () -> {
                        if (next.get() < ports.size()) {
                            channels.send(ports.get(next.getAndIncrement()));
                        }
                    });
            List<Integer> taken = new ArrayList<>(guest.consume(0));
            taken.addAll(guest.consume(1));
            taken.sort(null);
            assertEquals(ports.stream().map(EvtchnPort::value).toList(), taken);
            channels.reset(DomId.SELF);
        }
    }
}
