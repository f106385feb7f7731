package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Needs /dev/kvm: hypercalls as a guest makes them, with arguments in its memory at the offsets that Xen's headers give.
final class GuestCallsTest {
    private static final int MEMORY_OP = 12;
    private static final int XEN_VERSION = 17;
    private static final int CONSOLE_IO = 18;
    private static final int GRANT_TABLE_OP = 20;
    private static final int VM_ASSIST = 21;
    private static final int SCHED_OP = 29;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int HVM_OP = 34;

    private static final int SELF = 0x7ff0;
    private static final int CLOSE = 3;
    private static final int SEND = 4;
    private static final int STATUS = 5;
    private static final int ALLOC_UNBOUND = 6;

    /// Beyond the page tables, and beyond memory.
    private static final long NOWHERE = 0x4000_0000;

    private static final long ARG = TestDomain.ARGUMENT;

    /// Where polled ports are listed, and a time that is over.
    private static final long PORTS = ARG + 0x1000;

    private static final long LONG_AGO = 1;

    /// A list of frame numbers.
    private static final long LIST = ARG + 0x2000;

    /// shared_info's place among the special pages, and its bitmap of pending ports.
    private static final int SHARED_INFO =
            Math.toIntExact(GuestMemoryMap.SPECIAL_SIZE / GuestMemoryMap.PAGE_SIZE);

    private static final long EVTCHN_PENDING = 0x800;

    private final TestDomain guest = new TestDomain(2);
    private final GuestMemory memory = guest.memory();
    private final HypercallDispatcher dispatcher = guest.dispatcher();
    private final HypercallContext wide = guest.caller(0, true);
    private final HypercallContext narrow = guest.caller(0, false);

    GuestCallsTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    private long call(HypercallContext caller, int number, long... parameters) {
        caller.begin(number, 0);
        for (int i = 0; i < parameters.length; i++) {
            caller.setParameter(i, parameters[i]);
        }
        return dispatcher.dispatch(caller);
    }

    private long call(int number, long... parameters) {
        return call(wide, number, parameters);
    }

    private int allocUnbound() throws XenError {
        memory.write16(ARG, SELF);
        memory.write16(ARG + 2, 0);
        assertEquals(0, call(EVENT_CHANNEL_OP, ALLOC_UNBOUND, ARG));
        return memory.read32(ARG + 4);
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
    void portThatTheGuestCannotBeToldIsClosedAgain() throws XenError {
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

    @Test
    void featuresAreThoseOfAnHvmDomain() throws XenError {
        memory.write32(ARG, 0);
        assertEquals(0, call(XEN_VERSION, 6, ARG));
        assertEquals(0x112305, memory.read32(ARG + 4));

        memory.write32(ARG, 1);
        assertEquals(-22, call(XEN_VERSION, 6, ARG));
    }

    @Test
    void versionIsTheConfiguredOne() {
        assertEquals(0x0004_0013, call(XEN_VERSION, 0));
        assertEquals(4096, call(XEN_VERSION, 7, 0));
        assertEquals(-22, call(XEN_VERSION, 7, ARG));
        assertEquals(-1, call(XEN_VERSION, 10, ARG));
    }

    @Test
    void handleIsTheUuidInItsOrder() throws XenError {
        assertEquals(0, call(XEN_VERSION, 8, ARG));

        assertEquals(0x01, memory.read8(ARG));
        assertEquals(0xef, memory.read8(ARG + 7));
        assertEquals(0x10, memory.read8(ARG + 15));
    }

    @Test
    void grantTableTellsItsSize() throws XenError {
        memory.write16(ARG, SELF);
        assertEquals(0, call(GRANT_TABLE_OP, 6, ARG, 1));
        assertEquals(4, memory.read32(ARG + 8));
        assertEquals(0, memory.read16(ARG + 12));

        assertEquals(-22, call(GRANT_TABLE_OP, 6, ARG, 2));
    }

    @Test
    void refusedGrantVersionTellsTheOneInForce() throws XenError {
        memory.write32(ARG, 3);

        assertEquals(-22, call(GRANT_TABLE_OP, 8, ARG, 1));
        assertEquals(1, memory.read32(ARG));
    }

    @Test
    void memoryMapGivesWhatFits() throws XenError {
        List<GuestMemoryMap.Entry> entries = guest.domain().memoryMap().entries();
        memory.write32(ARG, 2);
        memory.write64(ARG + 8, ARG + 0x1000);

        assertEquals(0, call(MEMORY_OP, 9, ARG));

        assertEquals(2, memory.read32(ARG));
        assertEquals(entries.get(1).start(), memory.read64(ARG + 0x1000 + 20));
        assertEquals(entries.get(1).length(), memory.read64(ARG + 0x1000 + 28));
        assertEquals(2, memory.read32(ARG + 0x1000 + 36));
        assertEquals(0, memory.read32(ARG + 0x1000 + 40));
    }

    @Test
    void memoryMapOfA32BitGuestHasItsBufferElsewhere() throws XenError {
        memory.write32(ARG, 128);
        memory.write32(ARG + 4, (int) ARG + 0x1000);

        assertEquals(0, call(narrow, MEMORY_OP, 9, ARG));

        assertEquals(guest.domain().memoryMap().entries().size(), memory.read32(ARG));
        assertEquals(1, memory.read32(ARG + 0x1000 + 16));
    }

    @ParameterizedTest
    @CsvSource({"3, 0x7ff0, 2064", "4, 1, 2304", "3, 0, -3", "3, 9, -3", "4, 0xffff, -3"})
    void reservationIsTheDomainsRam(int command, String domid, long expected) throws XenError {
        memory.write16(ARG, Integer.decode(domid));

        assertEquals(expected, call(MEMORY_OP, command, ARG));
    }

    @Test
    void grantFramesGoWhereTheGuestWantsThem() throws XenError {
        addToPhysmap(1, 2, 0xc_0000);
        assertEquals(0, call(MEMORY_OP, 7, ARG));
        memory.write32(0xc000_0000L, 5);

        addToPhysmap(1, 4, 0xc_0001);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
        addToPhysmap(1, -1, 0xc_0001);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
        addToPhysmap(1, 0, -1);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
        addToPhysmap(-1, 0, 0xc_0001);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
    }

    @ParameterizedTest
    @CsvSource({
        "4, 0x7ff0, -38",
        "4, 9, -38",
        "5, 0x7ff0, -13",
        "5, 1, -13",
        "5, 9, -3",
        "0, 9, -3",
        "99, 0x7ff0, -22"
    })
    void spacesOfOthersAreRefusedInXensOrder(int space, String domid, long expected)
            throws XenError {
        addToPhysmap(space, 0, 0xc_0001);
        memory.write16(ARG, Integer.decode(domid));
        assertEquals(expected, call(MEMORY_OP, 7, ARG));
    }

    @Test
    void theLastFrameIsRefusedBeforeTheTableGrows() throws XenError {
        addToPhysmap(1, 2, -1);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
        assertEquals(1, guest.domain().grantTable().frames());
    }

    /// `struct xen_add_to_physmap`.
    private void addToPhysmap(int space, long index, long gfn) throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, space);
        memory.write64(ARG + 8, index);
        memory.write64(ARG + 16, gfn);
    }

    @Test
    void whatIsThereCanBeRemoved() throws XenError {
        addToPhysmap(1, 0, 0x123);
        assertEquals(0, call(MEMORY_OP, 7, ARG));

        assertEquals(-2, removeFromPhysmap(-1));
        assertEquals(-2, removeFromPhysmap(0xc_0000));
        assertEquals(0, removeFromPhysmap(0x123));
        assertEquals(0, removeFromPhysmap(0x123));
        assertEquals(-2, removeFromPhysmap(0x123));
        assertEquals(2064, owned(), "removed RAM stays the domain's");
        assertEquals(1, reservation(6, 0x123, 0));
        assertEquals(2065, owned());
        assertEquals(0, removeFromPhysmap(0x123));
    }

    private long owned() throws XenError {
        memory.write16(ARG, SELF);
        return call(MEMORY_OP, 3, ARG);
    }

    /// One extent of a `struct xen_memory_reservation`.
    private long reservation(int command, long gfn, int order) throws XenError {
        memory.write64(LIST, gfn);
        return reservation(command, LIST, 1, order, 0, SELF);
    }

    private long reservation(long command, long list, long count, int order, int flags, int domid)
            throws XenError {
        memory.write64(ARG, list);
        memory.write64(ARG + 8, count);
        memory.write32(ARG + 16, order);
        memory.write32(ARG + 20, flags);
        memory.write16(ARG + 24, domid);
        return call(MEMORY_OP, command, ARG);
    }

    @Test
    void pageTakenTwiceIsCountedOnce() throws XenError {
        memory.write64(LIST, 0x130);
        memory.write64(LIST + 8, 0x131);
        memory.write64(LIST + 16, 0x130);
        memory.write64(LIST + 24, 0x132);
        assertEquals(2, reservation(1, LIST, 4, 0, 0, SELF));
        assertEquals(2062, owned());
        assertEquals(0, reservation(1, 0x12f, 1), "its second page is gone");
        assertEquals(2061, owned(), "its first has gone with it");
        assertEquals(0, reservation(6, LIST, 4, 0, 1 << 16, SELF), "on demand");
        assertEquals(4, reservation(6, LIST, 4, 0, 0, SELF), "RAM before or not");
        assertEquals(2065, owned());
    }

    @Test
    void domainMayOwnAMebibyteMoreThanItsMemory() throws XenError {
        assertEquals(239, reservation(0, 0, 239, 0, 0, SELF));
        assertEquals(1, reservation(0, NOWHERE, 1, 0, 0, SELF), "the list is not looked at");
        assertEquals(0, reservation(0, 0, 1, 0, 0, SELF));
        assertEquals(0, reservation(6, 0x130, 0));
        assertEquals(1, reservation(1, 0x130, 0));
        assertEquals(1, reservation(6, 0x130, 0));
        assertEquals(2304, owned());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 6})
    void whateverIsWrongOperationsOnAReservationCount(int command) throws XenError {
        memory.write64(LIST, 0x130);
        long go = command | 3 << 6;
        assertEquals(0, call(MEMORY_OP, command, NOWHERE));
        assertEquals(3, call(MEMORY_OP, go, NOWHERE));
        assertEquals(0, reservation(command, LIST, 1L << 26, 0, 0, SELF));
        assertEquals(0, reservation(command, LIST, -1, 0, 0, SELF));
        assertEquals(0, reservation(command, LIST, 1, 10, 0, SELF));
        assertEquals(0, reservation(command, LIST, 1, 0, 0, 0), "another domain");
        assertEquals(3, reservation(go, LIST, 8, 0, 0, 9), "an unknown domain");
        assertEquals(0, reservation(command, LIST, 1, 0, 12, SELF), "12 address bits");
        assertEquals(0, reservation(command, LIST, 1, 0, 1 << 17 | 1 << 8, SELF));
        assertEquals(3, reservation(go, LIST, 2, 0, 0, SELF), "done already");
        memory.write64(LIST + 24, 0x131);
        assertEquals(4, reservation(go, LIST, 4, 0, 13 | 1 << 17, SELF), "only the fourth");
    }

    @ParameterizedTest
    @CsvSource({"3, -22", "4, -22", "15, -22", "9, -38"})
    void operationsThatAreNeverInterruptedTakeNoContinuation(int command, long expected)
            throws XenError {
        memory.write16(ARG, SELF);
        assertEquals(expected, call(MEMORY_OP, command | 1 << 6, ARG));
        assertEquals(expected, call(narrow, MEMORY_OP, command | 1 << 6, ARG));
    }

    @Test
    void additionsBeyondItsCountAreEdom() throws XenError {
        addToPhysmap(1, 0, 0x123);
        assertEquals(0, call(MEMORY_OP, 7 | 0xffff << 6, ARG));
        assertEquals(-33, call(MEMORY_OP, 7 | 0x1_0000 << 6, ARG));
    }

    private long removeFromPhysmap(long gfn) throws XenError {
        memory.write16(ARG, SELF);
        memory.write64(ARG + 8, gfn);
        return call(MEMORY_OP, 15, ARG);
    }

    @Test
    void parametersAreReadAndWritten() throws XenError {
        guest.domain().params().set(HvmParams.CONSOLE_PFN, 0xf_efff);
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, HvmParams.CONSOLE_PFN);

        assertEquals(0, call(HVM_OP, 1, ARG));
        assertEquals(0xf_efff, memory.read64(ARG + 8));
        assertEquals(-1, call(HVM_OP, 0, ARG));

        memory.write32(ARG + 4, -1);
        assertEquals(-22, call(HVM_OP, 1, ARG));
        memory.write32(ARG + 4, HvmParams.CONSOLE_PFN);
        memory.write16(ARG, 9);
        assertEquals(-3, call(HVM_OP, 1, ARG));
    }

    @Test
    void allBitsOfAParameterOperationCount() throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, HvmParams.CONSOLE_PFN);

        assertEquals(-38, call(HVM_OP, 1L << 32 | 1, ARG));
        assertEquals(0, call(XEN_VERSION, 1L << 32 | 9, ARG));
    }

    @Test
    void impossibleTaskStateCrashesTheDomain() throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, HvmParams.VM86_TSS_SIZED);
        memory.write64(ARG + 8, 0);

        assertEquals(-22, call(HVM_OP, 0, ARG));

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.CRASH, outcome.reason());
    }

    @ParameterizedTest
    @CsvSource({"0, 0xf, -22", "2, 0x40, -2", "-1, 0x40, -2"})
    void upcallVectorNeedsAVcpuAndAVector(int vcpu, String vector, long expected) throws XenError {
        memory.write32(ARG, vcpu);
        memory.write8(ARG + 4, Integer.decode(vector));

        assertEquals(expected, call(HVM_OP, 23, ARG));
    }

    @ParameterizedTest
    @CsvSource({
        "0, POWEROFF",
        "1, REBOOT",
        "3, CRASH",
        "5, SOFT_RESET",
        "6, OTHER",
        "255, OTHER",
        "-1, OTHER",
        // Eight bits count.
        "256, POWEROFF",
        "-253, CRASH"
    })
    void everyReasonStopsTheDomain(int code, ShutdownReason expected) throws XenError {
        memory.write32(ARG, code);

        assertEquals(0, call(SCHED_OP, 2, ARG));

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(expected, outcome.reason());
    }

    @Test
    void pollTakesAsManyPortsAsXen() throws XenError {
        int port = allocUnbound();
        for (int i = 0; i < 128; i++) {
            memory.write32(PORTS + 4L * i, port);
        }

        assertEquals(0, poll(128, PORTS, LONG_AGO));
        assertEquals(-22, poll(129, PORTS, LONG_AGO));
    }

    @Test
    void pollOfAPendingPortReturnsAtOnce() throws XenError {
        int idle = allocUnbound();
        int pending = allocUnbound();
        memory.write32(PORTS, idle);
        memory.write32(PORTS + 4, pending);
        guest.domain()
                .special()
                .page(SHARED_INFO)
                .set(ValueLayout.JAVA_INT, EVTCHN_PENDING, 1 << pending);

        assertEquals(0, poll(2, PORTS, 0));
    }

    @Test
    void pollChecksItsPorts() throws XenError {
        assertEquals(-14, poll(1, NOWHERE, LONG_AGO));
        memory.write32(PORTS, 4096);
        assertEquals(-22, poll(1, PORTS, LONG_AGO));
        assertEquals(0, poll(0, NOWHERE, LONG_AGO));
    }

    @Test
    void pollOfAClosedPortIsEinval() throws XenError {
        int port = allocUnbound();
        memory.write32(PORTS, port);
        memory.write32(ARG, port);
        assertEquals(0, call(EVENT_CHANNEL_OP, CLOSE, ARG));

        assertEquals(-22, poll(1, PORTS, LONG_AGO));
    }

    /// Xen looks at the ports one after the other.
    @Test
    void pollDoesNotLookBehindAPendingPort() throws XenError {
        int pending = allocUnbound();
        memory.write32(PORTS, pending);
        memory.write32(PORTS + 4, 4096);
        guest.domain()
                .special()
                .page(SHARED_INFO)
                .set(ValueLayout.JAVA_INT, EVTCHN_PENDING, 1 << pending);

        assertEquals(0, poll(2, PORTS, 0));
        memory.write32(PORTS, 4096);
        memory.write32(PORTS + 4, pending);
        assertEquals(-22, poll(2, PORTS, 0));
    }

    @Test
    void pollOfA32BitGuestHasItsPortsElsewhere() throws XenError {
        int port = allocUnbound();
        memory.write32(PORTS, port);
        memory.write32(ARG, (int) PORTS);
        memory.write32(ARG + 4, 1);
        memory.write64(ARG + 8, LONG_AGO);

        assertEquals(0, call(narrow, SCHED_OP, 3, ARG));
    }

    /// A `struct sched_poll`.
    private long poll(int count, long ports, long timeout) throws XenError {
        memory.write64(ARG, ports);
        memory.write32(ARG + 8, count);
        memory.write64(ARG + 16, timeout);
        return call(SCHED_OP, 3, ARG);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 2, -1})
    void consoleOfXenIsNotForGuests(long command) {
        assertEquals(-1, call(CONSOLE_IO, command, 5, ARG));
    }

    @Test
    void theOneAssistOfHvmDomainsIsTaken() {
        assertEquals(0, call(VM_ASSIST, 0, 5));
        assertEquals(-22, call(VM_ASSIST, 0, 4));
        assertEquals(-38, call(VM_ASSIST, 2, 5));
        assertEquals(-22, call(VM_ASSIST, 2, 4));
    }
}
