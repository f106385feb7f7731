package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.Errno;
import org.junit.jupiter.api.Test;

/// Needs a /dev/kvm like the lab's: a page that the host maps read-only, as another domain's.
class ReadOnlyPageXenTest {
    @Test
    void writeToAReadOnlyPageCanBecomeAGeneralProtectionFault() {
        int page = 0x5000;
        int handler = 0x1100;
        // mov [5000], al
        try (TinyVm t = new TinyVm("a2 00 50 f4")) {
            t.memory.set(JAVA_INT, 13 * 4, handler);
            t.memory.set(JAVA_BYTE, handler, (byte) 0xf4);
            t.memory.set(JAVA_BYTE, page, (byte) 77);
            t.vcpu.setRegs(t.vcpu.getRegs().set(Gpr.RSP, 0x8000).set(Gpr.RAX, 0x42));
            t.ram.mapFixed(page, t.memory.asSlice(page, 4096), true);

            int result = t.vcpu.enter();
            assertEquals(77, t.memory.get(JAVA_BYTE, page));
            // Where KVM emulates real mode, the write has become an MMIO exit.
            assumeTrue(result == Errno.EFAULT, "needs a KVM that does not emulate real mode");
            if (t.vcpu.run().exitReason() == ExitReason.MEMORY_FAULT) {
                assertEquals(page, t.vcpu.run().faultAddress());
            }
            t.vcpu.raise(13, 0);
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.HLT, t.vcpu.run().exitReason());
            assertEquals(handler + 1, t.vcpu.getRegs().get(Gpr.RIP));
            assertEquals(77, t.memory.get(JAVA_BYTE, page));
        }
    }
}
