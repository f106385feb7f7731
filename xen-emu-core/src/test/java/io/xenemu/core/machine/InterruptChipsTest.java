package io.xenemu.core.machine;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.ioctl.Segment;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs /dev/kvm: the connections between the interrupt chips, seen from a guest in real mode.
final class InterruptChipsTest {
    private static final long RAM = 0x10000;
    private static final int CODE = 0x1000;
    private static final int HANDLER = 0x2000;

    /// Vector 0x40 in the real-mode vector table.
    private static final long VECTOR_ENTRY = 0x40 * 4;

    private static final int DONE_PORT = 0x10;

    /// Enables the local APIC, which ES has, and lets pin 2 of the I/O APIC, which DS has, raise vector 0x40. Has the
    /// PIT tick each 10 ms. Then `sti`, and `hlt` for ever.
    private static final String BOOT =
            "26 66 c7 06 f0 00 ff 01 00 00"
                    + " 66 c7 06 00 00 15 00 00 00 66 c7 06 10 00 00 00 00 00"
                    + " 66 c7 06 00 00 14 00 00 00 66 c7 06 10 00 40 00 00 00"
                    + " b0 34 e6 43 b0 9c e6 40 b0 2e e6 40"
                    + " 31 c9 bc 00 80 fb f4 eb fd";

    /// Counts in CX; out 10, al, which exits, from the third on; the end of the interrupt; iret.
    private static final String HANDLE = "41 83 f9 03 75 02 e6 10 26 66 c7 06 b0 00 00 00 00 00 cf";

    /// Several ticks, since KVM's PIT waits for the end of each interrupt.
    @Test
    @Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void pitTicksAtThePinThatTheMadtNames() {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "needs /dev/kvm");
        try (KvmSystem system = KvmSystem.open(KvmSystem.DEVICE);
                MemFd ram = MemFd.create("chips", RAM);
                KvmVm vm = system.createVm()) {
            MemorySegment memory = ram.map(0, RAM);
            vm.setMemoryRegion(0, 0, 0, memory);
            DomainBuilder.createInterruptChips(vm);
            put(memory, CODE, BOOT);
            put(memory, HANDLER, HANDLE);
            memory.set(JAVA_INT, VECTOR_ENTRY, HANDLER);
            try (KvmVcpu vcpu = vm.createVcpu(new VcpuId(0))) {
                vcpu.setSregs(
                        vcpu.getSregs()
                                .segment(Segment.Name.CS, flat(0, 11))
                                .segment(Segment.Name.DS, flat(GuestMemoryMap.IOAPIC_START, 3))
                                .segment(Segment.Name.ES, flat(GuestMemoryMap.LAPIC_START, 3)));
                vcpu.setRegs(new KvmRegs().set(Gpr.RIP, CODE).set(Gpr.RFLAGS, 2));

                assertEquals(0, vcpu.enter());
                assertEquals(ExitReason.IO, vcpu.run().exitReason());
                assertEquals(DONE_PORT, vcpu.run().ioPort());
            }
        }
    }

    private static Segment flat(long base, int type) {
        return new Segment(base, 0xffff, 0, type, true, 0, false, true, false, false, false);
    }

    private static void put(MemorySegment memory, long at, String code) {
        byte[] bytes = HexFormat.of().parseHex(code.replace(" ", ""));
        MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, at, bytes.length);
    }
}
