package io.xenemu.kvm.iohub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.memory.EventFd;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/// A line that several processes share is up while any of their devices holds it, whatever they do and whenever the
/// guest ends interrupts.
class IoHubPropertyTest {
    private static final int PIRQ = 17;
    static final int PROCESSES = 3;

    /// A process's hub, and the model of its line.
    private static final class DeviceProcess implements AutoCloseable {
        final IoHub hub = new IoHub();
        EventFd irqfd = EventFd.create();
        EventFd resamplefd = EventFd.create();
        int holders;

        DeviceProcess() {
            connect();
        }

        /// As KVM, it has descriptors of its own.
        void connect() {
            hub.set(PIRQ, new IoHub.Pair(irqfd, resamplefd));
        }

        @Override
        public void close() {
            hub.close();
        }
    }

    /// KVM's side: all irqfds share one level, and all resamplefds are told of its end.
    private static final class Guest {
        boolean up;

        void inject(List<DeviceProcess> processes) {
            for (DeviceProcess process : processes) {
                up |= process.irqfd.drain() > 0;
            }
        }

        void endsInterrupt(List<DeviceProcess> processes) {
            up = false;
            processes.forEach(process -> process.resamplefd.signal());
        }
    }

    @Property(tries = 300)
    void lineIsUpWhileOneHoldsIt(
            @ForAll @Size(max = 60) List<@IntRange(max = 4 * PROCESSES) Integer> steps) {
        List<DeviceProcess> processes = new ArrayList<>();
        Guest guest = new Guest();
        try {
            for (int i = 0; i < PROCESSES; i++) {
                processes.add(new DeviceProcess());
            }
            for (int step : steps) {
                if (step == 4 * PROCESSES) {
                    guest.endsInterrupt(processes);
                } else {
                    act(processes.get(step / 4), step % 4, guest, processes);
                }
                processes.forEach(process -> process.hub.await(0));
                guest.inject(processes);
                boolean held = processes.stream().anyMatch(process -> process.holders > 0);
                assertTrue(guest.up || !held, "held, and not up");
                processes.forEach(it -> assertEquals(it.holders, it.hub.holders(PIRQ)));
            }
            // Those who let go do not raise it again.
            guest.endsInterrupt(processes);
            processes.forEach(process -> process.hub.await(0));
            guest.inject(processes);
            assertEquals(processes.stream().anyMatch(it -> it.holders > 0), guest.up);
        } finally {
            processes.forEach(DeviceProcess::close);
        }
    }

    private static void act(
            DeviceProcess process, int action, Guest guest, List<DeviceProcess> processes) {
        switch (action) {
            case 0 -> {
                process.hub.raise(PIRQ);
                process.holders++;
            }
            case 1 -> {
                process.hub.lower(PIRQ);
                process.holders = Math.max(0, process.holders - 1);
            }
            case 2 -> {
                // A second message with descriptors.
                guest.inject(processes);
                process.irqfd = EventFd.create();
                process.resamplefd = EventFd.create();
                process.connect();
            }
            default -> {
                // The process gives the line back, and gets it again.
                process.hub.remove(PIRQ);
                process.holders = 0;
                process.irqfd = EventFd.create();
                process.resamplefd = EventFd.create();
                process.connect();
            }
        }
    }

    @Property(tries = 100)
    void furtherHoldersSignalNothing(@ForAll @IntRange(min = 1, max = 20) int holders) {
        try (DeviceProcess process = new DeviceProcess()) {
            for (int i = 0; i < holders; i++) {
                process.hub.raise(PIRQ);
            }
            assertEquals(1, process.irqfd.drain());
            process.resamplefd.signal();
            process.hub.await(0);
            assertEquals(1, process.irqfd.drain());
            assertEquals(new IoHub.Counts(1, 1, 1), process.hub.counts(PIRQ));
            for (int i = 0; i < holders + 2; i++) {
                process.hub.lower(PIRQ);
            }
            process.resamplefd.signal();
            process.hub.await(0);
            assertEquals(0, process.irqfd.drain());
            process.hub.raise(PIRQ);
            assertEquals(1, process.irqfd.drain());
            assertFalse(process.hub.await(0) > 0);
        }
    }
}
