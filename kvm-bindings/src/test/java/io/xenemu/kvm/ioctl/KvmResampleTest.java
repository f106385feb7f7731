package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.memory.EventFd;
import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs /dev/kvm: a level-triggered interrupt by eventfds, seen from a guest.
final class KvmResampleTest {
    private static final int GSI = 5;
    private static final int HANDLER = 0x2000;

    /// Vector 0x20 + 5 in the real-mode vector table.
    private static final long VECTOR_ENTRY = 0x25 * 4;

    private static final int READY_PORT = 0x11;
    private static final int HANDLER_PORT = 0x10;

    /// Sets the first PIC up with vectors from 0x20 on and just IRQ 5, level-triggered, which lowers a raised line.
    /// Then `out 11, al`, which exits, `sti`, and `hlt` for ever.
    private static final String BOOT =
            "b0 11 e6 20 b0 20 e6 21 b0 04 e6 21 b0 01 e6 21 b0 df e6 21"
                    + " ba d0 04 b0 20 ee bc 00 80 e6 11 fb f4 eb fd";

    /// out 10, al, which exits; mov al, 20; out 20, al, the end of the interrupt; iret.
    private static final String HANDLE = "e6 10 b0 20 e6 20 cf";

    @Test
    @Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void lineThatGoesUpAtTheEndOfAnInterruptInterruptsAgain() throws InterruptedException {
        try (TinyVm t = new TinyVm(BOOT, KvmVm::createIrqchip);
                EventFd raise = EventFd.create();
                EventFd lowered = EventFd.createBlocking()) {
            byte[] handler = HexFormat.of().parseHex(HANDLE.replace(" ", ""));
            MemorySegment.copy(handler, 0, t.memory, JAVA_BYTE, HANDLER, handler.length);
            t.memory.set(JAVA_INT, VECTOR_ENTRY, HANDLER);
            t.vm.events().assignResampleIrqfd(raise.fd(), GSI, lowered.fd());

            assertExits(READY_PORT, t);
            raise.signal();
            assertExits(HANDLER_PORT, t);
            Thread device =
                    Thread.ofPlatform()
                            .start(() -> {
                                if (lowered.drain() == 1) {
                                    raise.signal();
                                }
                            });
            assertExits(HANDLER_PORT, t);
            device.join();
            t.vm.events().deassignIrqfd(raise.fd(), GSI);
        }
    }

    private static void assertExits(int port, TinyVm t) {
        assertEquals(0, t.vcpu.enter());
        assertEquals(ExitReason.IO, t.vcpu.run().exitReason());
        assertEquals(port, t.vcpu.run().ioPort());
    }
}
