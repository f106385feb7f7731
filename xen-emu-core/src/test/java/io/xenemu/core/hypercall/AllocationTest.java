package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The hypercalls that guests make all the time leave no garbage, argument copies included.
final class AllocationTest {
    private static final int ROUNDS = 20_000;
    private static final int MEMORY_OP = 12;
    private static final int GRANT_TABLE_OP = 20;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int XEN_VERSION = 17;
    private static final int SELF = 0x7ff0;
    private static final long ARG = TestDomain.ARGUMENT;
    private static final long PORT = TestDomain.ARGUMENT + 0x100;

    private final TestDomain guest = new TestDomain(1);
    private final GuestMemory memory = guest.memory();
    private final HypercallDispatcher dispatcher = guest.dispatcher();
    private final HypercallContext caller = guest.caller(0, true);

    AllocationTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    private interface Hypercalls {
        void make() throws XenError;
    }

    private static void assertAllocatesNothing(Hypercalls hypercalls) throws XenError {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        for (int i = 0; i < ROUNDS; i++) {
            hypercalls.make();
        }
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < ROUNDS; i++) {
            hypercalls.make();
        }
        long bytes = threads.getCurrentThreadAllocatedBytes() - before;
        // Less than a byte for each: the JVM itself allocates now and then, when it links or
        // compiles.
        assertTrue(bytes < ROUNDS, bytes + " bytes in " + ROUNDS + " rounds");
    }

    private void call(long expected, int number, long first, long second, long third) {
        caller.begin(number, 0);
        caller.setParameter(0, first);
        caller.setParameter(1, second);
        caller.setParameter(2, third);
        assertEquals(expected, dispatcher.dispatch(caller));
    }

    @Test
    void allocUnboundSendAndCloseAllocateNothing() throws XenError {
        memory.write16(ARG, SELF);
        memory.write16(ARG + 2, 0);
        assertAllocatesNothing(() -> {
            call(0, EVENT_CHANNEL_OP, 6, ARG, 0);
            memory.write32(PORT, memory.read32(ARG + 4));
            call(0, EVENT_CHANNEL_OP, 4, PORT, 0);
            call(0, EVENT_CHANNEL_OP, 3, PORT, 0);
        });
    }

    @Test
    void refusedCallsAllocateNothing() throws XenError {
        memory.write32(PORT, 9);
        assertAllocatesNothing(() -> {
            call(-22, EVENT_CHANNEL_OP, 4, PORT, 0);
            call(-38, EVENT_CHANNEL_OP, 99, PORT, 0);
            call(-14, EVENT_CHANNEL_OP, 4, -1, 0);
        });
    }

    @Test
    void grantCopyAndARefusedMappingAllocateNothing() throws XenError {
        long table = 0x12_3000;
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, 1);
        memory.write64(ARG + 8, 0);
        memory.write64(ARG + 16, table >> 12);
        call(0, MEMORY_OP, 7, ARG, 0);
        memory.write32(table + 8 * 9 + 4, 0x200);
        memory.write32(table + 8 * 9, 1 | 1 << 16);
        memory.write32(ARG, 9);
        memory.write64(ARG + 8, 1);
        memory.write64(ARG + 16, 0x201);
        memory.write64(ARG + 24, SELF);
        memory.write32(ARG + 32, 0x1_1000);
        memory.write64(PORT, 0x50_0000);
        memory.write32(PORT + 8, 2);
        // Not granted; a mapping that is made is a system call.
        memory.write32(PORT + 12, 10);
        memory.write16(PORT + 16, 1);
        assertAllocatesNothing(() -> {
            call(0, GRANT_TABLE_OP, 5, ARG, 1);
            call(0, GRANT_TABLE_OP, 0, PORT, 1);
        });
        assertEquals(0, memory.read16(ARG + 36));
    }

    @Test
    void querySizeAndFeaturesAllocateNothing() throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(PORT, 0);
        assertAllocatesNothing(() -> {
            call(0, GRANT_TABLE_OP, 6, ARG, 1);
            call(0, XEN_VERSION, 6, PORT, 0);
        });
    }
}
