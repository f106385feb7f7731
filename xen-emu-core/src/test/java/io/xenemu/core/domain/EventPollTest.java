package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.PortDevice;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.MpState;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// SCHEDOP_block. A vCPU that has not run has its interrupts disabled.
@Timeout(60)
class EventPollTest {
    private static final int UPCALL_PENDING = 0;
    private static final int UPCALL_MASK = 1;
    private static final int BLOCK = 0x80;
    private static final int GO_ON = 0x81;

    private static MemorySegment vcpuInfo(TestDomain test) {
        return test.domain().special().page(SpecialPages.SHARED_INFO);
    }

    private static Thread blocked(TestDomain test) throws InterruptedException {
        Vcpu vcpu = test.domain().vcpus().getFirst();
        Thread thread = Thread.ofPlatform().start(() -> new EventPoll(test.domain(), vcpu).block());
        while (thread.isAlive() && thread.getState() != Thread.State.TIMED_WAITING) {
            Thread.sleep(1);
        }
        assertTrue(thread.isAlive(), "it did not wait");
        return thread;
    }

    @Test
    void pendingUpcallEndsABlockBeforeItBegins() throws BootException, XenError {
        try (TestDomain test = new TestDomain(1)) {
            vcpuInfo(test).set(ValueLayout.JAVA_BYTE, UPCALL_PENDING, (byte) 1);
            vcpuInfo(test).set(ValueLayout.JAVA_BYTE, UPCALL_MASK, (byte) 1);

            new EventPoll(test.domain(), test.domain().vcpus().getFirst()).block();

            assertEquals(0, vcpuInfo(test).get(ValueLayout.JAVA_BYTE, UPCALL_MASK));
            assertEquals(1, vcpuInfo(test).get(ValueLayout.JAVA_BYTE, UPCALL_PENDING));
        }
    }

    @Test
    void upcallEndsABlockWithInterruptsDisabled() throws Exception {
        try (TestDomain test = new TestDomain(1)) {
            Thread thread = blocked(test);
            vcpuInfo(test).set(ValueLayout.JAVA_BYTE, UPCALL_PENDING, (byte) 1);
            thread.join();
        }
    }

    @Test
    void endOfTheDomainEndsABlockWithInterruptsDisabled() throws Exception {
        try (TestDomain test = new TestDomain(1)) {
            Thread thread = blocked(test);
            test.domain().shutdown(ShutdownReason.DESTROYED, "");
            thread.join();
        }
    }

    @Test
    void vcpuThatBlocksWithInterruptsEnabledIsHaltedInKvm() throws Exception {
        AtomicReference<Domain> domain = new AtomicReference<>();
        CountDownLatch wentOn = new CountDownLatch(1);
        PortDevice device =
                new PortDevice() {
                    @Override
                    public int read(int port) {
                        return 0;
                    }

                    @Override
                    public void write(int port, int value) {
                        if (port == BLOCK) {
                            Domain own = domain.get();
                            new EventPoll(own, own.vcpus().getFirst()).block();
                        } else {
                            wentOn.countDown();
                        }
                    }
                };
        PortBus ports = new PortBus(List.of(new PortBus.Range(BLOCK, GO_ON, device)));
        // sti; out %al, $BLOCK; out %al, $GO_ON; hlt
        try (RunningGuest guest =
                new RunningGuest(ports, 1, 0xfb, 0xe6, BLOCK, 0xe6, GO_ON, 0xf4)) {
            domain.set(guest.domain());
            guest.domain().start();
            Vcpu vcpu = guest.domain().vcpus().getFirst();
            AtomicReference<MpState> state = new AtomicReference<>();
            while (state.get() != MpState.HALTED) {
                vcpu.call(_ -> state.set(guest.vcpu(0).getMpState()));
            }
            assertFalse(vcpu.isDown());
            assertFalse(wentOn.await(0, TimeUnit.SECONDS));

            // As an interrupt would.
            vcpu.call(_ -> guest.vcpu(0).setMpState(MpState.RUNNABLE));
            wentOn.await();
        }
    }
}
