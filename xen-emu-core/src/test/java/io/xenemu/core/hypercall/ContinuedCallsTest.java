package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Long calls of a vCPU that is to park all the time, so that each call does as little as it can.
final class ContinuedCallsTest extends CallingGuest {
    private static final int MEMORY_OP = 12;
    private static final int GRANT_TABLE_OP = 20;
    private static final int COPY = 5;
    private static final int DECREASE_RESERVATION = 1;
    private static final int CURRENT_RESERVATION = 3;
    private static final int EXTENT_SHIFT = 6;
    private static final int COUNT = 10;

    /// Mappings of grants that are served together.
    private static final int TOGETHER = 32;

    private static final long LIST = ARG + 0x1000;
    private static final long FRAME = 0x100;

    ContinuedCallsTest() throws BootException, XenError {
        super(new TestDomain(1));
    }

    @BeforeEach
    void park() {
        guest.domain().pause();
    }

    private HypercallContext caller(boolean isWide) {
        return isWide ? wide : narrow;
    }

    /// Makes the call again with the registers that it has left.
    private long again(HypercallContext caller, int number) {
        return call(caller, number, caller.word(0), caller.word(1), caller.word(2));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void grantBatchContinuesWithTheNextStructure(boolean isWide) throws XenError {
        HypercallContext caller = caller(isWide);
        int size = isWide ? 40 : 24;
        for (int i = 0; i < COUNT; i++) {
            writeCopy(LIST + (long) size * i, isWide ? 8 : 4, 0x800 + 8 * i);
        }
        memory.write64(FRAME << 12, 0x1234_5678);

        long result = call(caller, GRANT_TABLE_OP, COPY, LIST, COUNT);
        for (int done = 1; done < COUNT; done++) {
            assertEquals(HypercallContext.CONTINUED, result);
            assertEquals(COPY, caller.word(0));
            assertEquals(LIST + (long) size * done, caller.word(1));
            assertEquals(COUNT - done, caller.word(2));
            assertEquals(0, memory.read64((FRAME << 12) + 0x800 + 8L * done), "not yet done");
            result = again(caller, GRANT_TABLE_OP);
        }

        assertEquals(0, result);
        for (int i = 0; i < COUNT; i++) {
            assertEquals(0x1234_5678, memory.read64((FRAME << 12) + 0x800 + 8L * i), "copy " + i);
        }
    }

    /// Another vCPU may put it down in the middle of a batch, which Xen interrupts too.
    @Test
    void batchOfAVcpuThatIsToGoDownEndsEarly() throws XenError {
        assertTrue(guest.domain().unpause());
        for (int i = 0; i < COUNT; i++) {
            writeCopy(LIST + 40L * i, 8, 0x800 + 8 * i);
        }
        guest.domain().vcpus().getFirst().down();

        assertEquals(HypercallContext.CONTINUED, call(GRANT_TABLE_OP, COPY, LIST, COUNT));
        assertEquals(COUNT - 1, wide.word(2));
    }

    /// The guest does not see how far it came: the call is recorded as one that was interrupted.
    @Test
    void batchOfADomainThatHasEndedEndsEarly() throws XenError {
        for (int i = 0; i < COUNT; i++) {
            memory.write64(LIST + 8L * i, FRAME + i);
        }
        memory.write64(ARG, LIST);
        memory.write64(ARG + 8, COUNT);
        memory.write16(ARG + 24, SELF);
        assertTrue(guest.domain().unpause());
        guest.domain().crash("it has failed");

        assertEquals(HypercallContext.CONTINUED, call(MEMORY_OP, DECREASE_RESERVATION, ARG));
        assertEquals(DECREASE_RESERVATION | 1 << EXTENT_SHIFT, wide.word(0));
    }

    /// Structures of zeros: a mapping of no kind (`GNTST_bad_gntref`), and a handle of no mapping (`GNTST_bad_handle`).
    ///
    /// @param size of a structure
    /// @param status offset of the status in it
    @ParameterizedTest
    @CsvSource({"0, 32, 18, -3", "1, 24, 20, -4"})
    void grantMappingsContinueWithTheNextPiece(int operation, int size, int status, int error)
            throws XenError {
        int rest = 8;
        int count = TOGETHER + rest;
        for (int i = 0; i < count; i++) {
            memory.write16(LIST + (long) size * i + status, 0x7777);
        }

        assertEquals(HypercallContext.CONTINUED, call(GRANT_TABLE_OP, operation, LIST, count));
        assertEquals(operation, wide.word(0));
        assertEquals(LIST + (long) size * TOGETHER, wide.word(1));
        assertEquals(rest, wide.word(2));
        assertEquals(error, status(LIST + (long) size * (TOGETHER - 1) + status));
        assertEquals(0x7777, status(LIST + (long) size * TOGETHER + status), "not yet done");
        assertEquals(0, again(wide, GRANT_TABLE_OP));
        assertEquals(error, status(LIST + (long) size * (count - 1) + status));
    }

    private int status(long at) throws XenError {
        return (short) memory.read16(at);
    }

    /// A copy of 8 bytes from the begin of the frame to an offset in it, as `struct gnttab_copy`.
    private void writeCopy(long at, int width, int offset) throws XenError {
        memory.write32(at, (int) FRAME);
        memory.write16(at + width, SELF);
        memory.write16(at + width + 2, 0);
        memory.write32(at + 2L * width, (int) FRAME);
        memory.write16(at + 3L * width, SELF);
        memory.write16(at + 3L * width + 2, offset);
        memory.write16(at + 4L * width, 8);
        memory.write16(at + 4L * width + 2, 0);
        memory.write16(at + 4L * width + 4, 0x7777);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void memoryBatchContinuesWithTheNextExtent(boolean isWide) throws XenError {
        HypercallContext caller = caller(isWide);
        memory.write16(ARG + 0x80, SELF);
        long before = call(MEMORY_OP, CURRENT_RESERVATION, ARG + 0x80);
        int width = isWide ? 8 : 4;
        for (int i = 0; i < COUNT; i++) {
            memory.write32(LIST + (long) width * i, (int) FRAME + i);
        }
        memory.write64(ARG, LIST);
        if (isWide) {
            memory.write64(ARG + 8, COUNT);
            memory.write16(ARG + 24, SELF);
        } else {
            memory.write32(ARG + 4, COUNT);
            memory.write32(ARG + 8, 0);
            memory.write32(ARG + 12, 0);
            memory.write16(ARG + 16, SELF);
        }

        long result = call(caller, MEMORY_OP, DECREASE_RESERVATION, ARG);
        for (int done = 1; done < COUNT; done++) {
            assertEquals(HypercallContext.CONTINUED, result);
            assertEquals(DECREASE_RESERVATION | done << EXTENT_SHIFT, caller.word(0));
            assertEquals(before - done, call(MEMORY_OP, CURRENT_RESERVATION, ARG + 0x80));
            caller.setParameter(0, DECREASE_RESERVATION | (long) done << EXTENT_SHIFT);
            caller.setParameter(1, ARG);
            result = again(caller, MEMORY_OP);
        }

        assertEquals(COUNT, result);
        assertEquals(before - COUNT, call(MEMORY_OP, CURRENT_RESERVATION, ARG + 0x80));
    }
}
