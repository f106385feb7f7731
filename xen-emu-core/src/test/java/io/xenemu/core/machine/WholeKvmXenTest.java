package io.xenemu.core.machine;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.KvmDomain;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.machine.state.GuestTime;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.kvm.ioctl.KvmSregs;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What [KvmStateTest] cannot show on every KVM: some have no TSC offset, or do not tell of PDPTRs. Those with Xen have
/// both.
@Timeout(60)
final class WholeKvmXenTest {
    private static final int PDPTRS = 288;

    @BeforeEach
    void needsXen() {
        KvmDomain.assumeXen();
    }

    @Test
    void pointersOfPaeModeTravel() throws Exception {
        try (TickingVm old = new TickingVm();
                TickingVm next = new TickingVm()) {
            for (int i = 0; i < 4; i++) {
                old.memory.set(JAVA_LONG, 0x3000 + 8L * i, 0x4001 + 0x1000L * i);
            }
            KvmSregs sregs = old.boot0().getSregs();
            old.boot0().setSregs(sregs.cr0(0x8000_0011L).cr3(0x3000).cr4(0x20));
            next.restore(old.capture(), old, ClockPolicy.STAND_STILL);
            KvmState restored = next.capture();
            for (int i = 0; i < 4; i++) {
                assertEquals(0x4001 + 0x1000L * i, pointer(restored, i));
            }
        }
    }

    private static long pointer(KvmState state, int number) {
        return ByteBuffer.wrap(state.vcpus().getFirst().system().toBytes())
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong(PDPTRS + 8 * number);
    }

    /// The guest's counter goes on with its clock, and those of all vCPUs keep their distance.
    @Test
    void timeStampCounterGoesOnWithTheClock() throws Exception {
        try (TickingVm old = new TickingVm();
                TickingVm next = new TickingVm()) {
            old.vcpus.get(0).setTscOffset(-1_000_000_000_000L);
            old.vcpus.get(1).setTscOffset(-1_000_000_000_777L);
            KvmState saved = old.capture();
            next.restore(saved, old, ClockPolicy.ADVANCE);
            KvmState restored = next.capture();
            assertTrue(counter(restored) >= counter(saved), saved + " then " + restored);
            assertEquals(
                    777, restored.vcpus().get(0).tscOffset() - restored.vcpus().get(1).tscOffset());
        }
    }

    private static long counter(KvmState state) {
        GuestTime time = state.vm().time();
        return time.ticks() + state.vcpus().getFirst().tscOffset();
    }
}
