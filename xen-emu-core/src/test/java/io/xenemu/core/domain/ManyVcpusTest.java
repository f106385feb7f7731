package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.Segment;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.testing.Eventually;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs /dev/kvm. As many vCPUs as a domain can have exist at once, and the last one runs.
@Timeout(120)
final class ManyVcpusTest {
    private static final int CODE = 0x8100;
    private static final long RESULT = 0x9000;

    /// jmp to itself
    private static final int[] IDLE = {0xeb, 0xfe};

    /// inc dword [0x9000]; jmp to itself
    private static final int[] COUNT = {0xff, 0x05, 0x00, 0x90, 0x00, 0x00, 0xeb, 0xfe};

    private static VcpuStart start() {
        Segment code = new Segment(0, -1, 0, 11, true, 0, true, true, false, true, false);
        Segment data = new Segment(0, -1, 0, 3, true, 0, true, true, false, true, false);
        Segment task = new Segment(0, 0x67, 0, 11, true, 0, false, false, false, false, false);
        KvmRegs registers = new KvmRegs().set(Gpr.RIP, CODE).set(Gpr.RFLAGS, 2);
        return new VcpuStart(registers, 0x11, 0, 0, 0, code, data, data, data, task);
    }

    @Test
    void lastOf128VcpusRuns() throws BootException, XenError, InterruptedException {
        int last = DomainConfig.MAX_VCPUS - 1;
        try (RunningGuest guest = new RunningGuest(DomainConfig.MAX_VCPUS, IDLE)) {
            GuestMemory memory = guest.domain().memory().guest();
            for (int i = 0; i < COUNT.length; i++) {
                memory.write8(CODE + i, COUNT[i]);
            }
            guest.domain().start();
            Vcpu vcpu = guest.domain().vcpu(last);
            vcpu.initialise(start());
            vcpu.up();
            Eventually.holds("it has run", () -> memory.read32(RESULT) == 1);
            assertTrue(vcpu.isUp());
            guest.domain().pause();
            assertTrue(guest.domain().unpause());
        }
    }
}
