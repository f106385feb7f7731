package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.MemFd;
import java.lang.management.ManagementFactory;
import java.util.concurrent.SynchronousQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs /dev/kvm: runs a few instructions in real mode.
class KvmRunTest {
    private static final String MOV_AL_42 = "b0 42";
    private static final String OUT_10_AL = "e6 10";
    private static final String IN_AL_10 = "e4 10";
    private static final String HLT = "f4";
    private static final String JMP_SELF = "eb fe";

    /// mov al, 42; out 10, al; jmp back to the out
    private static final String OUT_FOREVER = "b0 42 e6 10 eb fc";

    @Test
    void outThenHltExitOneAfterTheOther() {
        try (TinyVm t = new TinyVm(MOV_AL_42 + OUT_10_AL + HLT)) {
            KvmRun run = t.vcpu.run();
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.IO, run.exitReason());
            assertTrue(run.ioOut());
            assertEquals(0x10, run.ioPort());
            assertEquals(1, run.ioSize());
            assertEquals(1, run.ioCount());
            assertEquals(0x42, run.ioData(0));
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.HLT, run.exitReason());
        }
    }

    @Test
    void inReadsTheAnswer() {
        try (TinyVm t = new TinyVm(IN_AL_10 + OUT_10_AL + HLT)) {
            KvmRun run = t.vcpu.run();
            assertEquals(0, t.vcpu.enter());
            assertFalse(run.ioOut());
            run.ioData(0, 0x1ff);
            assertEquals(0, t.vcpu.enter());
            assertTrue(run.ioOut());
            assertEquals(0xff, run.ioData(0));
        }
    }

    @Test
    void stringInTakesAllItsValuesAtOnce() {
        // mov di, 2000; mov cx, 3; mov dx, 20; rep insw
        try (TinyVm t = new TinyVm("bf 00 20 b9 03 00 ba 20 00 f3 6d" + HLT)) {
            KvmRun run = t.vcpu.run();
            assertEquals(0, t.vcpu.enter());
            assertEquals(3, run.ioCount());
            assertEquals(2, run.ioSize());
            assertEquals(0x20, run.ioPort());
            assertThrows(IndexOutOfBoundsException.class, () -> run.ioData(3, 0));
            for (int i = 0; i < 3; i++) {
                run.ioData(i, 0x1101 * (i + 1));
            }
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.HLT, run.exitReason());
            byte[] words = t.memory.asSlice(0x2000, 6).toArray(JAVA_BYTE);
            assertArrayEquals(new byte[] {1, 0x11, 2, 0x22, 3, 0x33}, words);
        }
    }

    @Test
    void accessOutsideMemoryIsMmio() {
        // mov ax, 2000; mov ds, ax; mov byte [4], 55; mov al, [8]; out 10, al
        String code = "b8 00 20 8e d8 c6 06 04 00 55 a0 08 00" + OUT_10_AL + HLT;
        try (TinyVm t = new TinyVm(code)) {
            KvmRun run = t.vcpu.run();
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.MMIO, run.exitReason());
            assertTrue(run.mmioWrite());
            assertEquals(0x20004, run.mmioAddress());
            assertEquals(1, run.mmioLength());
            assertEquals(0x55, run.mmioData() & 0xff);
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.MMIO, run.exitReason());
            assertFalse(run.mmioWrite());
            run.mmioData(0x77);
            assertEquals(0, t.vcpu.enter());
            assertEquals(0x77, run.ioData(0));
        }
    }

    @Test
    void syncRegistersShowTheGuestAndChangeIt() {
        // mov bx, 1234; out 10, al; mov ax, bx; out 10, ax
        try (TinyVm t = new TinyVm("bb 34 12" + OUT_10_AL + "89 d8 e7 10" + HLT)) {
            KvmRun run = t.vcpu.run();
            run.syncRegs(SyncRegs.REGS, SyncRegs.SREGS);
            assertEquals(0, t.vcpu.enter());
            assertEquals(0x1234, run.regs().get(Gpr.RBX));
            assertEquals(t.vcpu.getSregs().cr0(), run.sregs().cr0());
            assertEquals(0, run.sregs().cr3());
            assertFalse(run.sregs().csLong());
            run.regs().set(Gpr.RBX, 0x4321);
            run.markDirty(SyncRegs.REGS);
            assertEquals(0, t.vcpu.enter());
            assertEquals(0x4321, run.ioData(0));
        }
    }

    @Test
    void entryWithRegistersThatKvmRefusesSaysWhy() {
        try (TinyVm t = new TinyVm(OUT_FOREVER)) {
            t.vcpu.run().syncRegs(SyncRegs.SREGS);
            assertEquals(0, t.vcpu.enter());
            t.vcpu.run().sregs().cr4(-1);
            t.vcpu.run().markDirty(SyncRegs.SREGS);
            KvmException refused = assertThrows(KvmException.class, t.vcpu::enter);
            assertEquals(Errno.EINVAL, refused.errno());
        }
    }

    @Test
    void overlayUnderASlotIsSeenByTheGuestAtOnce() {
        try (TinyVm t = new TinyVm("b0 01" + OUT_10_AL + HLT);
                MemFd special = MemFd.create("special", 0x1000)) {
            assertEquals(0, t.vcpu.enter());
            assertEquals(1, t.vcpu.run().ioData(0));
            special.mapFixed(0, t.memory.asSlice(TinyVm.CODE, 0x1000));
            t.load("b0 02" + OUT_10_AL + HLT);
            assertEquals(0, t.vcpu.enter());
            assertEquals(2, t.vcpu.run().ioData(0));
            assertEquals((byte) 0xb0, special.map(0, 0x1000).get(JAVA_BYTE, 0));
        }
    }

    /// Sets ECX to 4000_0000 and EDX:EAX to 1234_5678, writes the MSR, reads it, and tells the low byte.
    private static final String WRITE_AND_READ_MSR =
            "66 b9 00 00 00 40 66 b8 78 56 34 12 66 31 d2 0f 30 0f 32" + OUT_10_AL + HLT;

    @Test
    void trappedMsrExitsToUserSpace() {
        try (TinyVm t = new TinyVm(WRITE_AND_READ_MSR, vm -> vm.trapMsr(0x4000_0000))) {
            KvmRun run = t.vcpu.run();
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.X86_WRMSR, run.exitReason());
            assertEquals(0x4000_0000, run.msrIndex());
            assertEquals(0x1234_5678, run.msrData());
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.X86_RDMSR, run.exitReason());
            assertEquals(0x4000_0000, run.msrIndex());
            run.msrData(0x77);
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.IO, run.exitReason());
            assertEquals(0x77, run.ioData(0));
        }
    }

    @Test
    void refusedMsrAccessIsAGeneralProtectionFault() {
        try (TinyVm t = new TinyVm(WRITE_AND_READ_MSR, vm -> vm.trapMsr(0x4000_0000))) {
            int handler = 0x1100;
            int outThenHalt = 0xf4_11e6;
            t.memory.set(JAVA_INT, handler, outThenHalt);
            t.memory.set(JAVA_INT, 13 * Integer.BYTES, handler);
            KvmRun run = t.vcpu.run();
            assertEquals(0, t.vcpu.enter());
            run.refuseMsr();
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.IO, run.exitReason());
            assertEquals(0x11, run.ioPort());
        }
    }

    @Test
    void immediateExitCompletesAPendingExit() {
        try (TinyVm t = new TinyVm(IN_AL_10 + JMP_SELF)) {
            assertEquals(0, t.vcpu.enter());
            t.vcpu.run().ioData(0, 0x5a);
            t.vcpu.run().requestImmediateExit();
            assertEquals(Errno.EINTR, t.vcpu.enter());
            assertEquals(0x5a, t.vcpu.getRegs().get(Gpr.RAX) & 0xff);
            assertEquals(TinyVm.CODE + 2, t.vcpu.getRegs().get(Gpr.RIP));
        }
    }

    @Test
    void kickBeforeTheFirstEntryIsNotLost() {
        try (TinyVm t = new TinyVm(JMP_SELF)) {
            t.vcpu.kick();
            assertEquals(Errno.EINTR, t.vcpu.enter());
            assertEquals(Errno.EINTR, t.vcpu.enter());
            t.load(HLT);
            t.vcpu.run().clearImmediateExit();
            assertEquals(0, t.vcpu.enter());
        }
    }

    @Test
    @Timeout(60)
    void everyKickEndsAnEndlessLoop() throws Exception {
        int kicks = 500;
        try (TinyVm t = new TinyVm(JMP_SELF)) {
            SynchronousQueue<Integer> results = new SynchronousQueue<>();
            Thread runner =
                    Thread.ofPlatform()
                            .name("vcpu0")
                            .daemon(true)
                            .start(() -> {
                                for (int i = 0; i < kicks; i++) {
                                    int result = t.vcpu.enter();
                                    t.vcpu.run().clearImmediateExit();
                                    put(results, result);
                                }
                            });
            // A kick that comes between entering and running is the interesting one, so nothing is
            // waited for.
            for (int i = 0; i < kicks; i++) {
                t.vcpu.kick();
                assertEquals(Errno.EINTR, results.take());
            }
            runner.join();
        }
    }

    private static void put(SynchronousQueue<Integer> results, int result) {
        try {
            results.put(result);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void enteringDoesNotAllocateOnceCompiled() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        int rounds = 5_000;
        long allocated = Long.MAX_VALUE;
        try (TinyVm t = new TinyVm(OUT_FOREVER)) {
            // When the compiler is done is not known, so the test takes the first batch that shows
            // it.
            for (int batch = 0; batch < 200 && allocated >= rounds; batch++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                assertEquals(0x42L * rounds, exits(t.vcpu, rounds));
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            }
        }
        assertTrue(allocated < rounds, allocated + " bytes in " + rounds + " exits");
    }

    private static long exits(KvmVcpu vcpu, int rounds) {
        long sum = 0;
        for (int i = 0; i < rounds; i++) {
            if (vcpu.enter() == 0 && vcpu.run().exitReason() == ExitReason.IO) {
                sum += vcpu.run().ioData(0);
            }
        }
        return sum;
    }
}
