package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.PortDevice;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.Segment;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.testing.Eventually;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs /dev/kvm for a guest that runs: vCPU 0 counts by itself, vCPU 1 comes and goes.
@Timeout(60)
final class VcpuPowerTest {
    private static final int PORT = 0x80;
    private static final int RACES = 5000;
    private static final int MAX_SPINS = 2000;
    private static final int ANSWER_SECONDS = 20;
    private static final int CODE_1 = 0x8100;
    private static final long COUNT_0 = 0x9000;
    private static final long COUNT_1 = 0x9004;
    private static final long CR0_PE_ET = 0x11;
    private static final long CR4_RESERVED = 1L << 31;

    /// inc dword [0x9000]; jmp back
    private static final int[] CODE_0 = {0xff, 0x05, 0x00, 0x90, 0x00, 0x00, 0xeb, 0xf8};

    /// in al, 80; add [0x9004], eax; jmp back
    private static final int[] COUNTING = {
        0xe4, PORT, 0x01, 0x05, 0x04, 0x90, 0x00, 0x00, 0xeb, 0xf6
    };

    private final RunningGuest guest;
    private final GuestMemory memory;
    private final Vcpu vcpu;

    VcpuPowerTest() throws BootException, XenError {
        PortBus bus = new PortBus(List.of(new PortBus.Range(PORT, PORT, new Ones())));
        guest = new RunningGuest(bus, 2, CODE_0);
        memory = guest.domain().memory().guest();
        vcpu = guest.domain().vcpus().get(1);
        for (int i = 0; i < COUNTING.length; i++) {
            memory.write8(CODE_1 + i, COUNTING[i]);
        }
    }

    private static final class Ones implements PortDevice {
        @Override
        public int read(int port) {
            return 1;
        }

        @Override
        public void write(int port, int value) {}
    }

    @BeforeEach
    void start() {
        guest.domain().start();
    }

    @AfterEach
    void close() {
        guest.close();
    }

    private static VcpuStart start(long cr4) {
        Segment code = new Segment(0, -1, 0, 11, true, 0, true, true, false, true, false);
        Segment data = new Segment(0, -1, 0, 3, true, 0, true, true, false, true, false);
        Segment task = new Segment(0, 0x67, 0, 11, true, 0, false, false, false, false, false);
        KvmRegs registers = new KvmRegs().set(Gpr.RIP, CODE_1).set(Gpr.RFLAGS, 2);
        return new VcpuStart(registers, CR0_PE_ET, 0, cr4, 0, code, data, data, data, task);
    }

    private int count(long counter) throws XenError {
        return memory.read32(counter);
    }

    private void awaitProgress(long counter) throws XenError, InterruptedException {
        int before = count(counter);
        Eventually.holds("it counts", () -> count(counter) != before);
    }

    @Test
    void vcpuIsInitialisedOnceAndComesAndGoes() throws XenError, InterruptedException {
        assertFalse(vcpu.isUp());
        assertEquals(XenError.EINVAL, assertThrows(XenError.class, vcpu::up));
        assertEquals(
                XenError.EINVAL,
                assertThrows(XenError.class, () -> vcpu.initialise(start(CR4_RESERVED))));

        vcpu.initialise(start(0));
        assertFalse(vcpu.isUp());
        assertEquals(
                XenError.EEXIST, assertThrows(XenError.class, () -> vcpu.initialise(start(0))));
        assertEquals(0, count(COUNT_1));

        for (int i = 0; i < 50; i++) {
            vcpu.up();
            vcpu.up();
            assertTrue(vcpu.isUp());
            awaitProgress(COUNT_1);
            vcpu.down();
            assertFalse(vcpu.isUp());
            Eventually.holds("it rests", () -> !vcpu.isGoingDown());
            int rests = count(COUNT_1);
            awaitProgress(COUNT_0);
            assertEquals(rests, count(COUNT_1));
        }
    }

    @Test
    void vcpuThatIsDownCanBeHeldAndEnded() throws XenError, InterruptedException {
        vcpu.initialise(start(0));
        vcpu.up();
        awaitProgress(COUNT_1);
        vcpu.down();
        Eventually.holds("it rests", () -> !vcpu.isGoingDown());
        guest.domain().pause();
        int rests = count(COUNT_1);
        vcpu.up();
        assertEquals(rests, count(COUNT_1));
        assertTrue(guest.domain().unpause());
        awaitProgress(COUNT_1);
        vcpu.down();
        guest.domain().stop(ShutdownReason.DESTROYED);
    }

    /// A call that comes while the vCPU is about to rest is answered, although nothing wakes the vCPU again.
    @Test
    void vcpuThatGoesDownAnswersACallThatComesMeanwhile() throws Exception {
        vcpu.initialise(start(0));
        race(
                vcpu,
                () -> {
                    vcpu.up();
                    vcpu.down();
                    return null;
                });
    }

    /// A call that comes during a pause which is undone at once is answered. The guest does not exit by itself.
    @Test
    void vcpuThatIsAboutToParkAnswersACallThatComesMeanwhile() throws Exception {
        race(
                guest.domain().vcpus().getFirst(),
                () -> {
                    guest.domain().pause();
                    return guest.domain().unpause();
                });
    }

    private void race(Vcpu asked, Callable<?> change) throws Exception {
        Random random = new Random(1);
        try (ExecutorService asking = Executors.newSingleThreadExecutor()) {
            for (int i = 0; i < RACES; i++) {
                CyclicBarrier both = new CyclicBarrier(2);
                int delay = random.nextInt(MAX_SPINS);
                Future<?> answer =
                        asking.submit(() -> {
                            both.await();
                            spin(delay);
                            return asked.isUp();
                        });
                both.await();
                spin(MAX_SPINS / 2);
                change.call();
                answer.get(ANSWER_SECONDS, TimeUnit.SECONDS);
            }
        } finally {
            // Releases the threads that wait for the vCPU.
            guest.domain().shutdown(ShutdownReason.DESTROYED, "");
        }
    }

    private static void spin(int times) {
        for (int i = 0; i < times; i++) {
            Thread.onSpinWait();
        }
    }

    /// The last request decides.
    @Test
    void vcpuThatIsUpAgainBeforeItWentDownGoesOn() throws XenError, InterruptedException {
        vcpu.initialise(start(0));
        vcpu.up();
        for (int i = 0; i < 1000; i++) {
            vcpu.down();
            vcpu.up();
        }
        assertTrue(vcpu.isUp());
        awaitProgress(COUNT_1);
    }
}
