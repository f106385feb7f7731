package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.PortDevice;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.testing.Eventually;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A vCPU is parked when a pause returns, whatever its state was. Needs /dev/kvm for guests that run.
@Timeout(60)
final class QuiescenceTest {
    private static final int SECONDS = 30;
    private static final int GRANT_TABLE_OP = 20;
    private static final int GNTTABOP_COPY = 5;
    private static final int SCHED_OP = 29;
    private static final int POLL = 3;
    private static final int BLOCK = 1;
    private static final int PORT = 0x80;
    private static final long COUNTER = 0x9000;

    /// inc dword [0x9000]; jmp back
    private static final int[] COUNT = {0xff, 0x05, 0x00, 0x90, 0x00, 0x00, 0xeb, 0xf8};

    private static boolean isParked(Vcpu vcpu) {
        return vcpu.awaitParked(System.nanoTime());
    }

    private static void assertParked(Domain domain) {
        domain.vcpus().forEach(vcpu -> assertTrue(isParked(vcpu), vcpu + " is not parked"));
    }

    @Test
    void guestThatRunsIsParkedAndGoesOn() throws BootException, XenError {
        try (RunningGuest guest = new RunningGuest(2, COUNT)) {
            Domain domain = guest.domain();
            GuestMemory memory = domain.memory().guest();
            domain.start();
            Eventually.holds("the guest counts", () -> memory.read32(COUNTER) != 0);

            domain.pause();

            int count = memory.read32(COUNTER);
            assertParked(domain);
            domain.vcpus().forEach(Vcpu::wake);
            assertEquals(0x8000, domain.vcpus().getFirst().rip() & ~7);
            assertEquals(count, memory.read32(COUNTER));
            assertTrue(domain.unpause());
            Eventually.holds("the guest goes on", () -> memory.read32(COUNTER) != count);
        }
    }

    /// Reads ones; at its `last` read, waits until the vCPU is to park.
    private static final class HoldingDevice implements PortDevice {
        private final CompletableFuture<Domain> domain = new CompletableFuture<>();
        private final CountDownLatch reached = new CountDownLatch(1);
        private final int last;
        private int reads;

        HoldingDevice(int last) {
            this.last = last;
        }

        @Override
        public int read(int port) {
            reads++;
            if (reads == last) {
                Vcpu vcpu = domain.join().vcpus().getFirst();
                reached.countDown();
                Eventually.holds("a pause", vcpu::isHeld);
            }
            return 1;
        }

        @Override
        public void write(int port, int value) {}

        PortBus bus() {
            return new PortBus(List.of(new PortBus.Range(PORT, PORT, this)));
        }
    }

    private static KvmRegs pausedAt(HoldingDevice device, int... code)
            throws BootException, XenError, InterruptedException {
        AtomicReference<KvmRegs> registers = new AtomicReference<>();
        try (RunningGuest guest = new RunningGuest(device.bus(), 1, code)) {
            Domain domain = guest.domain();
            device.domain.complete(domain);
            domain.start();
            assertTrue(device.reached.await(SECONDS, TimeUnit.SECONDS));
            domain.pause();
            Vcpu vcpu = domain.vcpus().getFirst();
            vcpu.call(_ -> registers.set(guest.vcpu(0).getRegs()));
        }
        return registers.get();
    }

    @Test
    void exitIsCompletedWhenTheVcpuIsParked() throws Exception {
        HoldingDevice device = new HoldingDevice(100);
        // in al, 80; inc ebx; jmp back
        KvmRegs registers = pausedAt(device, 0xe4, PORT, 0x43, 0xeb, 0xfb);
        assertEquals(0x8002, registers.get(Gpr.RIP), "behind the instruction that was served");
        assertEquals(1, registers.get(Gpr.RAX) & 0xff);
        assertEquals(device.reads, registers.get(Gpr.RBX) + 1);
    }

    @Test
    void stringInstructionIsParkedBetweenTwoElements() throws Exception {
        HoldingDevice device = new HoldingDevice(2000);
        // mov ecx, 100000; mov edi, 20000h; mov edx, 80h; rep insb
        KvmRegs registers =
                pausedAt(
                        device, 0xb9, 0xa0, 0x86, 0x01, 0, 0xbf, 0, 0, 2, 0, 0xba, PORT, 0, 0, 0,
                        0xf3, 0x6c);
        assertEquals(0x800f, registers.get(Gpr.RIP));
        assertEquals(device.reads, 100_000 - registers.get(Gpr.RCX));
        assertEquals(device.reads, registers.get(Gpr.RDI) - 0x2_0000);
    }

    @Test
    void guestThatHasNotBeenStartedStaysOut() throws BootException, XenError {
        try (RunningGuest guest = new RunningGuest(2, COUNT)) {
            Domain domain = guest.domain();
            GuestMemory memory = domain.memory().guest();
            domain.pause();
            assertParked(domain);

            domain.start();

            for (Vcpu vcpu : domain.vcpus()) {
                // Served by the thread, which has come to the gate.
                vcpu.call(_ -> {});
            }
            assertParked(domain);
            assertEquals(0, memory.read32(COUNTER));
            assertTrue(domain.unpause());
            Eventually.holds("the guest runs", () -> memory.read32(COUNTER) != 0);
        }
    }

    @Test
    void guestThatHasEndedIsParked() throws BootException, XenError {
        try (RunningGuest guest = new RunningGuest(2, COUNT)) {
            guest.domain().start();
            guest.domain().stop(ShutdownReason.POWEROFF);
            guest.domain().pause();
            assertParked(guest.domain());
        }
    }

    @Test
    void vcpuWhoseThreadHasDiedIsParked() throws BootException, XenError, InterruptedException {
        try (TestDomain test =
                new TestDomain(
                        2,
                        vcpu -> {
                            throw new StackOverflowError("test");
                        })) {
            test.domain().start();
            test.domain().pause();
            assertInstanceOf(
                    ShutdownLatch.Outcome.class,
                    test.domain().shutdownLatch().await(SECONDS * 1000L));
            assertParked(test.domain());
        }
    }

    private static void assertParksAndGoesOn(HypercallingVcpu guest, TestDomain test) {
        guest.runIn(test);
        Domain domain = test.domain();
        domain.start();
        for (int i = 0; i < 20; i++) {
            Eventually.holds(
                    "the vCPUs run", () -> domain.vcpus().stream().noneMatch(v -> isParked(v)));
            domain.pause();
            assertParked(domain);
            assertTrue(domain.unpause());
        }
    }

    @Test
    void guestThatPollsForEverParks() throws BootException, XenError {
        HypercallingVcpu guest = new HypercallingVcpu(SCHED_OP, POLL, TestDomain.ARGUMENT);
        // No ports, no time-out: zeros.
        try (TestDomain test = new TestDomain(2, guest)) {
            assertParksAndGoesOn(guest, test);
        }
    }

    @Test
    void guestThatBlocksForEverParks() throws BootException, XenError {
        HypercallingVcpu guest = new HypercallingVcpu(SCHED_OP, BLOCK);
        try (TestDomain test = new TestDomain(2, guest)) {
            assertParksAndGoesOn(guest, test);
        }
    }

    /// Maps one page at all addresses of 512 GiB, so that a batch of any size is in memory.
    private static void mapOnePageEverywhere(GuestMemory memory) throws XenError {
        long top = 0x1000;
        long tables = 0xa0000;
        int rights = 0x63;
        memory.write64(top + 8, tables | rights);
        for (int level = 0; level < 3; level++) {
            long table = tables + 0x1000L * level;
            long next = level < 2 ? table + 0x1000 : TestDomain.ARGUMENT;
            for (int i = 0; i < 512; i++) {
                memory.write64(table + 8L * i, next | rights);
            }
        }
    }

    @Test
    void batchOfTheLargestSizeParksBetweenTwoElements() throws BootException, XenError {
        HypercallingVcpu guest =
                new HypercallingVcpu(GRANT_TABLE_OP, GNTTABOP_COPY, 1L << 39, Integer.MAX_VALUE);
        try (TestDomain test = new TestDomain(2, guest)) {
            mapOnePageEverywhere(test.memory());
            assertParksAndGoesOn(guest, test);
        }
    }

    @Test
    void pausesNestAndEachNeedsAnUnpause() throws BootException, XenError {
        try (RunningGuest guest = new RunningGuest(1, COUNT)) {
            Domain domain = guest.domain();
            domain.start();
            assertFalse(domain.unpause());
            domain.pause();
            domain.pause();
            assertTrue(domain.unpause());
            assertTrue(domain.isPaused());
            assertParked(domain);
            assertTrue(domain.unpause());
            assertFalse(domain.isPaused());
            assertFalse(domain.unpause());
            Eventually.holds("it runs", () -> !isParked(domain.vcpus().getFirst()));
        }
    }

    @Test
    void unpauseDoesNotRunADomainThatAnotherHolderHolds() throws BootException, XenError {
        try (TestDomain test = new TestDomain(1)) {
            Quiescence quiescence = new Quiescence(test.domain().vcpus(), Quiescence.LIMIT);
            PauseCount pauses = new PauseCount(quiescence);
            quiescence.hold();
            assertFalse(pauses.unpause());
            pauses.pause();
            assertTrue(pauses.unpause());
            assertTrue(quiescence.isHeld());
            assertTrue(test.domain().vcpus().getFirst().isHeld());
            quiescence.release();
            assertFalse(test.domain().vcpus().getFirst().isHeld());
        }
    }

    /// A call to the host that does not return, or a loop of ours.
    @Test
    void vcpuThatDoesNotParkFailsThePauseAndTheDomainGoesOn() throws Exception {
        AtomicBoolean hangs = new AtomicBoolean(true);
        CountDownLatch runs = new CountDownLatch(1);
        try (TestDomain test =
                new TestDomain(
                        2,
                        vcpu -> {
                            vcpu.park();
                            while (!vcpu.isStopping() && (vcpu.id().value() == 1 || hangs.get())) {
                                runs.countDown();
                                Thread.onSpinWait();
                                if (vcpu.isHeld() && vcpu.id().value() == 0) {
                                    vcpu.park();
                                }
                            }
                        })) {
            List<Vcpu> vcpus = test.domain().vcpus();
            Quiescence quiescence = new Quiescence(vcpus, Duration.ofMillis(50));
            test.domain().start();
            assertTrue(runs.await(SECONDS, TimeUnit.SECONDS));
            Eventually.holds("both run", () -> vcpus.stream().noneMatch(v -> isParked(v)));

            StuckException failure = assertThrows(StuckException.class, quiescence::hold);

            String message = String.valueOf(failure.getMessage());
            assertTrue(message.startsWith("dom1-vcpu1 does not stop: "), message);
            assertFalse(quiescence.isHeld());
            Eventually.holds("vCPU 0 goes on", () -> !isParked(vcpus.getFirst()));
            hangs.set(false);
        }
    }

    @Test
    void vcpuCannotPauseItsDomain() throws Exception {
        CompletableFuture<Domain> domain = new CompletableFuture<>();
        CompletableFuture<Throwable> failure = new CompletableFuture<>();
        try (TestDomain test =
                new TestDomain(
                        1,
                        vcpu ->
                                failure.complete(
                                        assertThrows(
                                                IllegalStateException.class,
                                                () -> domain.join().pause())))) {
            domain.complete(test.domain());
            test.domain().start();
            assertInstanceOf(IllegalStateException.class, failure.get(SECONDS, TimeUnit.SECONDS));
            assertFalse(test.domain().isPaused());
        }
    }

    /// Pauses and unpauses from several threads at once, with the domain's end at any moment.
    @Test
    void pausesRaceWithUnpausesAndTheEnd() throws Exception {
        Random random = new Random(1);
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            for (int round = 0; round < 60; round++) {
                HypercallingVcpu guest =
                        round % 2 == 0
                                ? new HypercallingVcpu(SCHED_OP, POLL, TestDomain.ARGUMENT)
                                : new HypercallingVcpu(SCHED_OP, 0);
                try (TestDomain test = new TestDomain(2, guest)) {
                    guest.runIn(test);
                    Domain domain = test.domain();
                    int times = random.nextInt(50);
                    List<Future<?>> all = new ArrayList<>();
                    for (int i = 0; i < 3; i++) {
                        all.add(threads.submit(() -> pauseAndUnpause(domain, times)));
                    }
                    domain.start();
                    if (round % 3 == 0) {
                        domain.crash("test");
                    } else if (round % 3 == 1) {
                        all.add(threads.submit(() -> domain.stop(ShutdownReason.DESTROYED)));
                    }
                    for (Future<?> future : all) {
                        future.get(SECONDS, TimeUnit.SECONDS);
                    }
                    assertFalse(domain.isPaused());
                }
            }
        }
    }

    private static void pauseAndUnpause(Domain domain, int times) {
        for (int i = 0; i < times; i++) {
            domain.pause();
            assertParked(domain);
            assertTrue(domain.unpause());
        }
    }
}
