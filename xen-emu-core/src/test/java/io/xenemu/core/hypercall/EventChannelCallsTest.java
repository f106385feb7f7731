package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Event channel operations as a guest makes them.
final class EventChannelCallsTest extends CallingGuest {
    private static final int SEND = 4;
    private static final int STATUS = 5;

    EventChannelCallsTest() throws BootException, XenError {
        super(new TestDomain(2));
    }

    @Test
    void allocatedPortIsUnboundUntilItIsClosed() throws XenError {
        int port = allocUnbound();

        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, port);
        assertEquals(0, call(EVENT_CHANNEL_OP, STATUS, ARG));
        assertEquals(1, memory.read32(ARG + 8));
        assertEquals(0, memory.read16(ARG + 16));

        memory.write32(ARG, port);
        assertEquals(0, call(EVENT_CHANNEL_OP, SEND, ARG));
        assertEquals(0, call(EVENT_CHANNEL_OP, CLOSE, ARG));
        assertEquals(-22, call(EVENT_CHANNEL_OP, CLOSE, ARG));
        assertEquals(-22, call(EVENT_CHANNEL_OP, SEND, ARG));
    }

    @Test
    void portIsClosedAgainIfItsNumberCannotBeWritten() throws XenError {
        int port = allocUnbound();
        memory.write32(ARG, port);
        assertEquals(0, call(EVENT_CHANNEL_OP, CLOSE, ARG));
        // The argument can be read, and its answer would be in the next page, which is not there.
        long end = GuestMemoryMap.MIN_BYTES;
        memory.write32(end - 4, SELF);

        assertEquals(-14, call(narrow, EVENT_CHANNEL_OP, ALLOC_UNBOUND, end - 4));
        assertEquals(port, allocUnbound());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
    void everyEventChannelOperationNeedsItsArgument(int operation) {
        assertEquals(-14, call(EVENT_CHANNEL_OP, operation, NOWHERE));
        assertNull(guest.domain().shutdownLatch().get());
    }
}
