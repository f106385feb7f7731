package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.memory.RamLog;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.gnttab.GrantCopy;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.gnttab.GrantMapping;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.memory.GuestMemory;
import java.io.ByteArrayInputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The log of a domain's RAM sees a write of every kind. Each test fails if its mark is taken away.
final class WrittenPagesTest {
    private static final int PAGE = GuestMemory.PAGE_SIZE;
    private static final int GFN = 300;
    private static final long HOLE = 0xc_0000;
    private static final GrantRef REF = new GrantRef(9);

    private final FakeVm vm = new FakeVm();
    private final TestDomain test;
    private final Domain domain;
    private final RamLog log;

    WrittenPagesTest() throws Exception {
        test =
                TestDomain.of(
                        new DomainOrigin.Boot(
                                TestDomain.ID,
                                new DomainConfig(
                                        "test",
                                        new UUID(1, 2),
                                        GuestMemoryMap.MIN_BYTES,
                                        2,
                                        0x0004_0013,
                                        new GrantLimits(4, 1, 2),
                                        new EventChannelConfig(
                                                true, EvtchnOptions.XL_MAX_PORT, true))),
                        vm,
                        EnumSet.noneOf(XenCapability.class));
        domain = test.domain();
        log = domain.pages().logWrites();
    }

    @BeforeEach
    void takeAll() {
        BitSet all = log.take();
        assertTrue(all.get(GFN) && all.get(0), "at first all pages are in it");
        log.forget(0, log.pages());
        assertEquals(new BitSet(), log.take());
    }

    @AfterEach
    void close() {
        log.close();
        test.close();
    }

    private static BitSet pages(int... numbers) {
        BitSet pages = new BitSet();
        for (int page : numbers) {
            pages.set(page);
        }
        return pages;
    }

    private void grant(int gfn, DomId to) {
        MemorySegment entry =
                domain.special().page(SpecialPages.grantFrame(0)).asSlice(8L * REF.value(), 8);
        entry.set(ValueLayout.JAVA_INT, 4, gfn);
        entry.set(ValueLayout.JAVA_INT, 0, to.value() << 16 | 1);
    }

    @Test
    void guestsOwnWrite() {
        vm.guestWrites((long) GFN * PAGE + PAGE - 1, new byte[2]);
        assertEquals(pages(GFN, GFN + 1), log.take());
        log.forget(0, log.pages());
        assertEquals(pages(), log.take());
    }

    @Test
    void writeAfterThePageWasForgottenIsOfTheNextRound() {
        vm.guestWrites(3L * PAGE, new byte[1]);
        vm.guestWrites(40L * PAGE, new byte[1]);
        assertEquals(pages(3, 40), log.take());
        log.forget(0, 32);
        vm.guestWrites(3L * PAGE, new byte[1]);
        log.forget(32, 64);
        assertEquals(pages(3), log.take());
    }

    @Test
    void writeOfTheService() throws Exception {
        test.memory().write32((long) GFN * PAGE, 5);
        assertEquals(pages(GFN), log.take());
        assertEquals(pages(), log.take());
    }

    @Test
    void copyByAGrantCall() {
        GrantCopy copy = domain.grantTable().newCopy();
        copy.from(DomId.SELF, false, GFN, 0);
        copy.to(DomId.SELF, false, GFN + 1, 0);
        assertEquals(GrantStatus.OKAY, copy.run(PAGE));
        assertEquals(pages(GFN + 1), log.take());
    }

    @Test
    void pageThatABackEndHasMapped() {
        grant(GFN, DomId.DOM0);
        GrantMapping mapping = new GrantMapping();
        assertEquals(
                GrantStatus.OKAY,
                domain.grantTable().backend().map(REF, DomId.DOM0, false, mapping));
        assertEquals(pages(GFN), log.held());
        domain.grantTable().backend().unmap(mapping);
        assertEquals(pages(), log.held());
        assertEquals(pages(GFN), log.take());
    }

    @Test
    void pageThatComesBackFromUnderASpecialPage() throws Exception {
        domain.pages().show(SpecialPages.SHARED_INFO, GFN);
        log.forget(0, log.pages());
        BitSet _ = log.take();
        domain.pages().hide(SpecialPages.SHARED_INFO);
        assertEquals(pages(GFN), log.take());
    }

    @Test
    void pageThatTheGuestGivesUp() {
        assertTrue(domain.pages().decreaseReservation(GFN, 1));
        assertEquals(pages(GFN), log.take());
        assertTrue(domain.pages().populatePhysmap(GFN, 1));
        assertEquals(pages(GFN), log.take());
    }

    @Test
    void pageAtAnotherFrameThanItsHome() throws Exception {
        domain.pages().move(GFN, HOLE);
        assertEquals(pages(GFN), log.held(), "KVM logs it elsewhere");
        domain.pages().move(HOLE, GFN);
        assertEquals(pages(), log.held());
        assertEquals(pages(GFN), log.take());
    }

    @Test
    void placesThatTheGuestHasRegistered() throws Exception {
        Vcpu first = domain.vcpus().getFirst();
        first.areas().registerVcpuInfo(GFN, 64, first);
        domain.eventChannels().initControl(new VcpuId(0), GFN + 1, 0);
        domain.eventChannels().expandArray(GFN + 2);
        assertEquals(pages(GFN, GFN + 1, GFN + 2), log.held());
    }

    @Test
    void placeInAPageThatMovesHome() throws Exception {
        domain.pages().move(GFN, HOLE);
        Vcpu first = domain.vcpus().getFirst();
        first.areas().registerVcpuInfo(HOLE, 64, first);
        domain.pages().move(HOLE, GFN);
        assertEquals(pages(GFN), log.held());
    }

    @Test
    void placeInAPageUnderASpecialPage() throws Exception {
        domain.pages().show(SpecialPages.SHARED_INFO, GFN);
        Vcpu first = domain.vcpus().getFirst();
        first.areas().registerVcpuInfo(GFN, 64, first);
        domain.pages().hide(SpecialPages.SHARED_INFO);
        assertEquals(pages(GFN), log.held());
    }

    @Test
    void placesOfARestoredGuest() throws Exception {
        Vcpu first = domain.vcpus().getFirst();
        first.areas().registerVcpuInfo(GFN, 64, first);
        domain.eventChannels().initControl(new VcpuId(0), GFN + 1, 0);
        domain.eventChannels().expandArray(GFN + 2);
        XenState saved =
                XenState.read(
                        new ByteArrayInputStream(XenState.write(domain.parts().quiesceAndSave())));
        domain.parts().resume();
        try (TestDomain restored =
                        TestDomain.restored(
                                new DomainOrigin.Saved(
                                        saved, to -> to.ram().copyFrom(domain.memory().ram())),
                                new FakeVm());
                RamLog again = restored.domain().pages().logWrites()) {
            assertEquals(pages(GFN, GFN + 1, GFN + 2), again.held());
        }
    }

    @Test
    void nothingIsLoggedAfterTheEnd() throws Exception {
        assertThrows(IllegalStateException.class, () -> domain.pages().logWrites());
        log.close();
        test.memory().write32((long) GFN * PAGE, 5);
        try (RamLog next = domain.pages().logWrites()) {
            BitSet _ = next.take();
            next.forget(0, next.pages());
            assertEquals(pages(), next.take());
        }
    }
}
