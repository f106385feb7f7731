package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.device.AcpiEvents;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.RemoteLine;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.evtchn.Pirqs;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A guest's calls about its devices' interrupts, and their refusals.
final class PhysdevCallsTest extends CallingGuest {
    private static final int XEN_VERSION = 17;
    private static final int EVENT_CHANNEL_OP_COMPAT = 16;
    private static final int PHYSDEV_OP_COMPAT = 19;
    private static final int PHYSDEV_OP = 33;

    private static final int BIND_PIRQ = 2;
    private static final int STATUS_QUERY = 5;
    private static final int EOI = 12;
    private static final int MAP = 13;
    private static final int UNMAP = 14;
    private static final int GET_FREE = 23;

    private static final int MULTI_MSI = 4;
    private static final int COM1 = 4;
    private static final long NOWHERE = 0x4000_0000;
    private static final int SHARED_INFO =
            Math.toIntExact(GuestMemoryMap.SPECIAL_SIZE / GuestMemoryMap.PAGE_SIZE);
    private static final long EVTCHN_PENDING = 0x800;

    private static final EventChannelConfig WITH_PIRQS =
            new EventChannelConfig(false, EvtchnOptions.UNLIMITED, true);

    PhysdevCallsTest() throws BootException, XenError {
        super(new TestDomain(1, WITH_PIRQS));
    }

    private static long call(TestDomain domain, int number, long... parameters) {
        return call(domain.dispatcher(), domain.caller(0, true), number, parameters);
    }

    private static void writeMap(GuestMemory memory, int domid, int type, int index, int pirq)
            throws XenError {
        memory.write16(ARG, domid);
        memory.write32(ARG + 4, type);
        memory.write32(ARG + 8, index);
        memory.write32(ARG + 12, pirq);
    }

    private Pirqs pirqs() {
        return guest.domain().eventChannels().pirqs();
    }

    @Test
    void featureIsAnnounced() throws XenError {
        memory.write32(ARG, 0);
        assertEquals(0, call(XEN_VERSION, 6, ARG));
        assertEquals(0x192705, memory.read32(ARG + 4));
    }

    @ParameterizedTest
    @ValueSource(ints = {STATUS_QUERY, EOI, MAP, UNMAP, GET_FREE})
    void everyOperationNeedsItsArgument(int operation) {
        assertEquals(-14, call(PHYSDEV_OP, operation, NOWHERE));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 6, 15, 16, 18, 21, 24, 25, 28, 31, -1})
    void operationsOfPvDomainsAreEnosys(int operation) {
        assertEquals(-38, call(PHYSDEV_OP, operation, ARG));
    }

    @Test
    void compatNumbersAreEnosys() {
        assertEquals(-38, call(EVENT_CHANNEL_OP_COMPAT, ARG));
        assertEquals(-38, call(PHYSDEV_OP_COMPAT, ARG));
    }

    /// No vector announces events, so a line of the interrupt controllers cannot become an event.
    @ParameterizedTest
    @CsvSource({"0x7ff0, 1, -22", "0x7ff0, 0, -22", "1, 1, -22", "0, 1, -1", "9, 1, -3"})
    void mapRefusesWhatXenRefuses(String domid, int type, long expected) throws XenError {
        writeMap(memory, Integer.decode(domid), type, COM1, -1);

        assertEquals(expected, call(PHYSDEV_OP, MAP, ARG));
        assertEquals(-1, memory.read32(ARG + 12));
    }

    @ParameterizedTest
    @CsvSource({"0x7ff0, 20, 0", "0x7ff0, -1, 0", "0x7ff0, 4096, 0", "1, 20, 0", "9, 20, -3"})
    void unmapRefusesWhatXenRefuses(String domid, int pirq, long expected) throws XenError {
        memory.write16(ARG, Integer.decode(domid));
        memory.write32(ARG + 4, pirq);

        assertEquals(expected, call(PHYSDEV_OP, UNMAP, ARG));
    }

    /// A button's line is level-triggered: the event comes again when the guest ends the interrupt without having read
    /// what has happened.
    @Test
    void buttonBecomesAnEventOfItsPirq() throws XenError {
        int pirq = pirqs().mapGsi(AcpiTables.EVENT_GSI, -1).value();
        memory.write32(ARG, pirq);
        memory.write32(ARG + 4, 0);
        assertEquals(0, call(EVENT_CHANNEL_OP, BIND_PIRQ, ARG));
        int port = memory.read32(ARG + 8);
        AcpiEvents events = guest.domain().acpiEvents();

        events.raise(AcpiEvents.Event.POWER_BUTTON);

        assertEquals(1L << port, takePending());
        memory.write32(ARG, pirq);
        assertEquals(0, call(PHYSDEV_OP, EOI, ARG));
        assertEquals(1L << port, takePending());
        assertEquals(AcpiTables.EVENT_POWER_BUTTON, events.read(AcpiTables.EVENT_PORT));
        assertEquals(0, call(PHYSDEV_OP, EOI, ARG));
        assertEquals(0, takePending());
    }

    /// The pending events, which are cleared.
    private long takePending() {
        MemorySegment page = guest.domain().special().page(SHARED_INFO);
        long pending = page.get(ValueLayout.JAVA_LONG, EVTCHN_PENDING);
        page.set(ValueLayout.JAVA_LONG, EVTCHN_PENDING, 0);
        return pending;
    }

    @Test
    void lineBecomesAnEventOfItsPirq() throws XenError {
        int pirq = pirqs().mapGsi(COM1, -1).value();
        memory.write32(ARG, pirq);
        memory.write32(ARG + 4, 0);
        assertEquals(0, call(EVENT_CHANNEL_OP, BIND_PIRQ, ARG));
        int port = memory.read32(ARG + 8);

        guest.domain().interruptLines().pulse(COM1);

        int pending =
                guest.domain()
                        .special()
                        .page(SHARED_INFO)
                        .get(ValueLayout.JAVA_INT, EVTCHN_PENDING);
        assertEquals(1 << port, pending);
        assertEquals(-17, call(EVENT_CHANNEL_OP, BIND_PIRQ, ARG));
    }

    /// The guest's call is the end of the interrupt, of which processes of remote devices are told.
    @Test
    void endOfAnEventIsToldToItsProcesses() throws XenError {
        RemoteLine line = guest.domain().remoteLines().open(COM1, () -> {});
        int pirq = pirqs().mapGsi(COM1, -1).value();
        memory.write32(ARG, pirq);
        assertEquals(0, call(PHYSDEV_OP, EOI, ARG));
        assertEquals(0, resamples());
        memory.write32(ARG + 4, 0);
        assertEquals(0, call(EVENT_CHANNEL_OP, BIND_PIRQ, ARG));
        memory.write32(ARG, pirq);
        assertEquals(0, call(PHYSDEV_OP, EOI, ARG));
        assertEquals(1, resamples());
        guest.domain().remoteLines().close(line);
        assertEquals(0, call(PHYSDEV_OP, EOI, ARG));
        assertEquals(1, resamples());
    }

    private double resamples() {
        return guest.registry().get("xen.remote.resamples").functionCounter().count();
    }

    @Test
    void mappedPirqIsQueriedAndEnded() throws XenError {
        int pirq = pirqs().mapGsi(COM1, -1).value();
        memory.write32(ARG, pirq);

        assertEquals(0, call(PHYSDEV_OP, STATUS_QUERY, ARG));
        assertEquals(1, memory.read32(ARG + 4));
        assertEquals(0, call(PHYSDEV_OP, EOI, ARG));

        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, pirq);
        assertEquals(0, call(PHYSDEV_OP, UNMAP, ARG));
        memory.write32(ARG, pirq);
        assertEquals(-22, call(PHYSDEV_OP, STATUS_QUERY, ARG));
        assertEquals(-22, call(PHYSDEV_OP, EOI, ARG));
        memory.write32(ARG, -1);
        assertEquals(-22, call(PHYSDEV_OP, STATUS_QUERY, ARG));
    }

    @Test
    void freePirqsAreGivenOutHighestFirstForMessages() throws XenError {
        memory.write32(ARG, 0);

        assertEquals(0, call(PHYSDEV_OP, GET_FREE, ARG));
        assertEquals(255, memory.read32(ARG + 4));
        assertEquals(0, call(PHYSDEV_OP, GET_FREE, ARG));
        assertEquals(254, memory.read32(ARG + 4));
    }

    @Test
    void ownDomainIdIsRefusedBefore419() throws BootException, XenError {
        try (TestDomain old = TestDomain.ofXen(WITH_PIRQS, 4, 18)) {
            writeMap(old.memory(), 1, 1, COM1, -1);
            assertEquals(-1, call(old, PHYSDEV_OP, MAP, ARG));
            assertEquals(-1, call(old, PHYSDEV_OP, UNMAP, ARG));
            writeMap(old.memory(), SELF, 1, COM1, -1);
            assertEquals(-22, call(old, PHYSDEV_OP, MAP, ARG));
        }
    }

    @Test
    void multiMsiWithATableIsEinval() throws XenError {
        writeMap(memory, 9, MULTI_MSI, COM1, -1);
        memory.write64(ARG + 32, 0x1000);
        assertEquals(-22, call(PHYSDEV_OP, MAP, ARG));

        memory.write64(ARG + 32, 0);
        assertEquals(-3, call(PHYSDEV_OP, MAP, ARG));
    }

    @ParameterizedTest
    @CsvSource({"4, 17, -38", "4, 19, -38", "4, 20, -1"})
    void guestWithoutPirqsIsRefusedAsItsXenDoes(int major, int minor, long expected)
            throws BootException, XenError {
        try (TestDomain plain = TestDomain.ofXen(EventChannelConfig.DEFAULT, major, minor)) {
            for (int operation : new int[] {STATUS_QUERY, EOI, GET_FREE}) {
                assertEquals(-38, call(plain, PHYSDEV_OP, operation, ARG));
            }
            writeMap(plain.memory(), SELF, 1, COM1, -1);
            assertEquals(expected, call(plain, PHYSDEV_OP, MAP, ARG));
            assertEquals(expected, call(plain, PHYSDEV_OP, UNMAP, ARG));
            long unreadable = expected == -38 ? -38 : -14;
            assertEquals(unreadable, call(plain, PHYSDEV_OP, MAP, NOWHERE));
        }
    }
}
