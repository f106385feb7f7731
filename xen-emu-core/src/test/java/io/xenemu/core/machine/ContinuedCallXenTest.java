package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.core.domain.RunningGuest;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.testing.Eventually;
import java.util.EnumSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A hypercall that the guest makes again. Needs a KVM with Xen, which has to accept that.
@Timeout(300)
final class ContinuedCallXenTest {
    private static final int HYPERCALL_AT = 0x8014;
    private static final int COUNT = 100_000;
    private static final int SIZE = 24;
    private static final long LIST = 0x10_0000;
    private static final long RESULT = 0x9000;
    private static final int LENGTH = 16;
    private static final int STATUS = 20;
    private static final int PAUSES = 5;

    /// mov eax, 20; mov ebx, 5; mov ecx, LIST; mov edx, COUNT; vmmcall; inc eax; mov [9000], eax; jmp to itself
    private static final int[] CODE = {
        0xb8,
        20,
        0,
        0,
        0,
        0xbb,
        5,
        0,
        0,
        0,
        0xb9,
        0,
        0,
        0x10,
        0,
        0xba,
        COUNT & 0xff,
        COUNT >> 8 & 0xff,
        COUNT >> 16,
        0,
        0x0f,
        0x01,
        0xd9,
        0x40,
        0xa3,
        0x00,
        0x90,
        0,
        0,
        0xeb,
        0xfe
    };

    @Test
    void batchThatPausesInterruptIsCompleted() throws BootException, XenError {
        KvmDomain.assumeXen();
        try (RunningGuest guest = new RunningGuest(1, CODE)) {
            Domain domain = guest.domain();
            GuestMemory memory = domain.memory().guest();
            guest.vm()
                    .xenHvmConfig(
                            EnumSet.of(XenCapability.INTERCEPT_HCALL),
                            CpuConfig.DEFAULT.hypercallMsr());
            for (int i = 0; i < COUNT; i++) {
                // A copy from domain 0 to domain 0, which is refused. A copy of no bytes would
                // succeed.
                memory.write16(LIST + (long) i * SIZE + LENGTH, 8);
            }
            domain.start();
            int left = COUNT;
            for (int i = 0; i < PAUSES; i++) {
                long next = LIST + (long) (COUNT - left) * SIZE;
                Eventually.holds("the batch goes on", () -> memory.read16(next + STATUS) != 0);
                domain.pause();
                left = assertStandsBetweenTwoStructures(guest, left);
                domain.unpause();
            }

            Eventually.holds("the batch ends", () -> memory.read32(RESULT) != 0);
            assertEquals(1, memory.read32(RESULT));
            for (int i = 0; i < COUNT; i++) {
                assertNotEquals(0, memory.read16(LIST + (long) i * SIZE + STATUS), "copy " + i);
            }
        }
    }

    /// Returns the number of structures that are left.
    private static int assertStandsBetweenTwoStructures(RunningGuest guest, int before)
            throws XenError {
        GuestMemory memory = guest.domain().memory().guest();
        KvmRegs registers = guest.vcpu(0).getRegs();
        assertEquals(HYPERCALL_AT, registers.get(Gpr.RIP));
        assertEquals(20, registers.get(Gpr.RAX));
        int left = Math.toIntExact(registers.get(Gpr.RDX));
        assertTrue(left > 0 && left < before, left + " of " + before);
        long next = LIST + (long) (COUNT - left) * SIZE;
        assertEquals(next, registers.get(Gpr.RCX));
        assertNotEquals(0, memory.read16(next - SIZE + STATUS));
        assertEquals(0, memory.read16(next + STATUS));
        return left;
    }
}
