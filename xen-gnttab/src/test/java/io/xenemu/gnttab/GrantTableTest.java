package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// Results and errors of every operation.
final class GrantTableTest {
    private static final DomId OTHER = new DomId(2);
    private static final DomId NOBODY = new DomId(9);

    private final Arena arena = Arena.ofShared();
    private final FakeDomain domain = new FakeDomain(arena, GrantTable.DEFAULT_MAX_FRAMES);
    private final GrantTable table = domain.table;
    private final GrantMapping mapping = new GrantMapping();

    @AfterEach
    void free() {
        arena.close();
    }

    private static void assertFails(XenError expected, Executable operation) {
        assertSame(expected, assertThrows(XenError.class, operation));
    }

    private GrantStatus map(int ref, boolean readOnly) {
        return table.map(new GrantRef(ref), DomId.DOM0, readOnly, mapping);
    }

    @Test
    void aNewTableHasOneFrameOfVersionOne() throws XenError {
        assertEquals(1, table.frames());
        assertEquals(64, table.maxFrames());
        assertEquals(1, table.getVersion(DomId.SELF));
    }

    @Test
    void askingForAFrameGrowsTheTableToIt() throws XenError {
        MemorySegment frame = table.frame(3);
        assertEquals(domain.frame(3).address(), frame.address());
        assertEquals(4, table.frames());
        table.frame(0);
        assertEquals(4, table.frames(), "tables never shrink");
        table.frame(63);
        assertEquals(64, table.frames());
    }

    @Test
    void framesBeyondTheLimitAreEinval() {
        assertFails(XenError.EINVAL, () -> table.frame(64));
        assertFails(XenError.EINVAL, () -> table.frame(-1));
        assertFails(XenError.EINVAL, () -> table.frame(0x8000_0000));
        assertEquals(1, table.frames());
    }

    @Test
    void everyFrameOfTheLargestTableCanBeAlongsideRam() throws XenError {
        FakeDomain large = new FakeDomain(arena, GrantTable.LARGEST_MAX_FRAMES);
        long holes = 2L * GuestMemory.PAGE_SIZE; // so that no two frames can be one region
        long start = 1L << 32;
        for (int i = 0; i < GrantTable.LARGEST_MAX_FRAMES; i++) {
            large.memory.add(start + i * holes, large.table.frame(i));
        }
        int last = GrantTable.LARGEST_MAX_FRAMES * GrantFrame.ENTRIES - 1;
        long entry = (GrantFrame.ENTRIES - 1) * 8L;
        long gpa = start + (GrantTable.LARGEST_MAX_FRAMES - 1) * holes + entry;
        large.memory.write32(gpa + 4, 5);
        large.memory.write32(gpa, GrantFrame.PERMIT_ACCESS);
        assertEquals(
                GrantStatus.OKAY, large.table.map(new GrantRef(last), DomId.DOM0, false, mapping));
        assertEquals(large.ram.address() + 5 * 4096, mapping.page().address());
    }

    @Test
    void tablesBeyondTheLargestAreNotMade() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new FakeDomain(arena, GrantTable.LARGEST_MAX_FRAMES + 1));
        assertThrows(IllegalArgumentException.class, () -> new FakeDomain(arena, 0));
    }

    @Test
    void setVersionErrors() throws XenError {
        table.setVersion(1);
        assertFails(XenError.ENOSYS, () -> table.setVersion(2));
        assertFails(XenError.EINVAL, () -> table.setVersion(0));
        assertFails(XenError.EINVAL, () -> table.setVersion(3));
        assertEquals(1, table.version());
    }

    @Test
    void otherDomainsTablesAreNotToBeAskedAbout() {
        assertEquals(GrantStatus.OKAY, table.querySize(DomId.SELF));
        assertEquals(GrantStatus.OKAY, table.querySize(FakeDomain.ID));
        assertEquals(GrantStatus.PERMISSION_DENIED, table.querySize(OTHER));
        assertEquals(GrantStatus.BAD_DOMAIN, table.querySize(NOBODY));
        assertFails(XenError.EPERM, () -> table.getVersion(OTHER));
        assertFails(XenError.ESRCH, () -> table.getVersion(NOBODY));
    }

    @Test
    void aWritableMappingReachesThePageAndShowsInTheEntry() {
        domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        assertEquals(GrantStatus.OKAY, map(9, false));
        mapping.page().set(ValueLayout.JAVA_INT, 8, 77);
        assertEquals(77, domain.ram.get(ValueLayout.JAVA_INT, 5 * 4096 + 8));
        assertEquals(
                GrantFrame.PERMIT_ACCESS | GrantFrame.READING | GrantFrame.WRITING,
                domain.flags(9));
        assertFalse(domain.revoke(9));
        assertEquals(GrantStatus.OKAY, table.unmap(mapping));
        assertEquals(GrantFrame.PERMIT_ACCESS, domain.flags(9));
        assertTrue(domain.revoke(9));
        assertEquals(GrantStatus.GENERAL_ERROR, map(9, false));
    }

    @Test
    void aReadOnlyMappingCannotWrite() {
        domain.grant(9, GrantFrame.PERMIT_ACCESS | GrantFrame.READONLY, DomId.DOM0, 5);
        assertEquals(GrantStatus.GENERAL_ERROR, map(9, false));
        assertEquals(GrantFrame.PERMIT_ACCESS | GrantFrame.READONLY, domain.flags(9));
        assertEquals(GrantStatus.OKAY, map(9, true));
        assertTrue(mapping.page().isReadOnly());
        assertEquals(0, domain.flags(9) & GrantFrame.WRITING);
    }

    @Test
    void whatIsNotGrantedCannotBeMapped() {
        assertEquals(GrantStatus.GENERAL_ERROR, map(9, true), "invalid");
        domain.grant(9, GrantFrame.PERMIT_ACCESS, OTHER, 5);
        assertEquals(GrantStatus.GENERAL_ERROR, map(9, true), "to another domain");
        domain.grant(9, 2, DomId.DOM0, 5);
        assertEquals(GrantStatus.GENERAL_ERROR, map(9, true), "for transfer");
        domain.grant(9, GrantFrame.PERMIT_ACCESS | GrantFrame.SUB_PAGE, DomId.DOM0, 5);
        assertEquals(GrantStatus.GENERAL_ERROR, map(9, true), "a part of a page");
        assertFalse(mapping.isMapped());
    }

    @Test
    void referencesBeyondTheTableAreBad() {
        assertEquals(GrantStatus.BAD_GNTREF, map(512, true));
        assertEquals(GrantStatus.BAD_GNTREF, map(-1, true));
        assertEquals(GrantStatus.BAD_GNTREF, map(Integer.MIN_VALUE, true));
    }

    @Test
    void aGrantOfNoRamIsABadPageAndLeavesNoFlag() {
        for (int gfn : new int[] {FakeDomain.RAM_PAGES, -1}) {
            domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, gfn);
            assertEquals(GrantStatus.BAD_PAGE, map(9, false));
            assertEquals(GrantFrame.PERMIT_ACCESS, domain.flags(9));
        }
    }

    @Test
    void aFrameChangedWhileMappedChangesNothing() {
        domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        assertEquals(GrantStatus.OKAY, map(9, false));
        domain.setFrame(9, 6);
        GrantMapping second = new GrantMapping();
        assertEquals(GrantStatus.OKAY, table.map(new GrantRef(9), DomId.DOM0, true, second));
        assertEquals(mapping.page().address(), second.page().address());
    }

    @Test
    void flagsGoWithTheLastMappingOfTheirKind() {
        domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        GrantMapping reader = new GrantMapping();
        assertEquals(GrantStatus.OKAY, table.map(new GrantRef(9), DomId.DOM0, true, reader));
        assertEquals(GrantStatus.OKAY, map(9, false));
        table.unmap(mapping);
        assertEquals(GrantFrame.PERMIT_ACCESS | GrantFrame.READING, domain.flags(9));
        table.unmap(reader);
        assertEquals(GrantFrame.PERMIT_ACCESS, domain.flags(9));
    }

    @Test
    void anotherMapperIsRefusedWhileOneHasIt() {
        domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        assertEquals(GrantStatus.OKAY, map(9, true));
        GrantMapping second = new GrantMapping();
        assertEquals(GrantStatus.GENERAL_ERROR, table.map(new GrantRef(9), OTHER, true, second));
    }

    @Test
    void mappingsOfOneEntryAreLimited() {
        domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        for (int i = 0; i < GrantFrame.MAX_PINS; i++) {
            assertEquals(
                    GrantStatus.OKAY,
                    table.map(new GrantRef(9), DomId.DOM0, true, new GrantMapping()));
        }
        assertEquals(GrantStatus.GENERAL_ERROR, map(9, true));
    }

    @Test
    void unmappingNothingIsABadHandle() {
        assertEquals(GrantStatus.BAD_HANDLE, table.unmap(mapping));
        domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        map(9, true);
        table.unmap(mapping);
        assertEquals(GrantStatus.BAD_HANDLE, table.unmap(mapping));
        assertThrows(IllegalStateException.class, mapping::page);
    }

    @Test
    void theToolstackSeedsReservedReferences() {
        table.seed(GrantRef.XENSTORE, DomId.DOM0, 7);
        assertEquals(GrantStatus.OKAY, map(1, false));
        assertEquals(domain.ram.address() + 7 * 4096, mapping.page().address());
        assertThrows(
                IllegalArgumentException.class, () -> table.seed(new GrantRef(8), DomId.DOM0, 7));
    }

    @Test
    void statusCodesAreXens() {
        GrantStatus[] all = GrantStatus.values();
        assertEquals(14, all.length);
        for (int i = 0; i < all.length; i++) {
            assertEquals(-i, all[i].code());
        }
    }

    @Test
    void aRestoredTableStillHasItsMappings() throws XenError {
        domain.grant(600, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        table.frame(1);
        assertEquals(GrantStatus.OKAY, map(600, false));
        GrantTableState state = table.save();
        assertEquals(
                new GrantTableState(
                        FakeDomain.ID,
                        1,
                        64,
                        2,
                        List.of(
                                new GrantTableState.Mapped(
                                        new GrantRef(600), DomId.DOM0, 5, 0, 1))),
                state);
        GrantTable restored =
                GrantTable.restore(
                        state,
                        id -> true,
                        domain::frame,
                        domain.memory,
                        new GrantTableMetrics(new SimpleMeterRegistry(), FakeDomain.ID));
        assertEquals(state, restored.save());
        GrantMapping adopted = new GrantMapping();
        GrantRef ref = new GrantRef(600);
        assertEquals(GrantStatus.BAD_GNTREF, restored.adopt(ref, DomId.DOM0, true, adopted));
        assertEquals(GrantStatus.BAD_GNTREF, restored.adopt(ref, OTHER, false, adopted));
        assertEquals(GrantStatus.OKAY, restored.adopt(ref, DomId.DOM0, false, adopted));
        assertEquals(mapping.page().address(), adopted.page().address());
        assertEquals(
                GrantStatus.BAD_GNTREF,
                restored.adopt(ref, DomId.DOM0, false, new GrantMapping()),
                "adopted twice");
        assertEquals(GrantStatus.OKAY, restored.unmap(adopted));
        assertEquals(GrantFrame.PERMIT_ACCESS, domain.flags(600));
    }

    @Test
    void contradictingStatesAreRefused() {
        GrantTableState.Mapped beyond =
                new GrantTableState.Mapped(new GrantRef(512), DomId.DOM0, 5, 1, 0);
        GrantTableState.Mapped idle =
                new GrantTableState.Mapped(new GrantRef(9), DomId.DOM0, 5, 0, 0);
        GrantTableState.Mapped tooMany =
                new GrantTableState.Mapped(new GrantRef(9), DomId.DOM0, 5, 129, 0);
        GrantTableState.Mapped fine =
                new GrantTableState.Mapped(new GrantRef(9), DomId.DOM0, 5, 1, 0);
        for (List<GrantTableState.Mapped> bad :
                List.of(List.of(beyond), List.of(idle), List.of(tooMany), List.of(fine, fine))) {
            assertRefused(new GrantTableState(FakeDomain.ID, 1, 64, 1, bad));
        }
        assertRefused(new GrantTableState(FakeDomain.ID, 2, 64, 1, List.of()));
        assertRefused(new GrantTableState(FakeDomain.ID, 1, 1, 2, List.of()));
    }

    private void assertRefused(GrantTableState state) {
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        GrantTable.restore(
                                state,
                                id -> true,
                                domain::frame,
                                domain.memory,
                                new GrantTableMetrics(new SimpleMeterRegistry(), FakeDomain.ID)),
                state::toString);
    }

    @Test
    void operationsAreCountedByResult() {
        map(9, true);
        domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        map(9, true);
        assertEquals(1, count("map", "OK"));
        assertEquals(1, count("map", "GENERAL_ERROR"));
        assertEquals(1, domain.registry.get("xen.gnttab.mappings").gauge().value());
        assertEquals(1, domain.registry.get("xen.gnttab.frames").gauge().value());
        table.destroy();
        assertTrue(domain.registry.getMeters().isEmpty());
    }

    private double count(String op, String result) {
        return domain.registry
                .get("xen.gnttab.ops")
                .tags("domain", "3", "op", op, "result", result)
                .counter()
                .count();
    }

    @Test
    void pagesAreOfFourKibibytes() {
        domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, 5);
        map(9, true);
        assertEquals(GuestMemory.PAGE_SIZE, mapping.page().byteSize());
    }
}
