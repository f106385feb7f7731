package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;

/// One domain maps what another grants. Results and errors, in both versions where they could differ.
final class GuestMappingsTest extends MappingDomains {
    private void inBothVersions(IntConsumer check) {
        for (int version = 1; version <= 2; version++) {
            try {
                granter.table.setVersion(version);
            } catch (XenError e) {
                throw new AssertionError(e);
            }
            check.accept(version);
        }
    }

    @Test
    void aMappingShowsThePageAndMarksTheEntry() {
        inBothVersions(version -> {
            granter.grant(9, mapper, 4);
            assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, 9));
            FakeDomain.Placed placed = mapper.placedAt(20);
            assertEquals(new FakeDomain.Placed(granter, granter.mfn(4), false), placed);
            assertEquals(granter.mfn(4) << 12, result.busAddress());
            assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(9));
            assertTrue(granter.table.isPinned(granter.mfn(4)));
            assertFalse(granter.revoke(9));
            assertEquals(GrantStatus.OKAY, unmap(AT, result.handle()));
            assertNull(mapper.placed.get(20L));
            assertEquals(0, granter.inUse(9));
            assertFalse(granter.table.isPinned(granter.mfn(4)));
            assertTrue(granter.revoke(9));
            assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP, 9));
        });
    }

    @Test
    void usesByOthersAreSeenWhileThereIsAnObserver() {
        List<String> seen = new ArrayList<>();
        granter.grant(9, mapper, 4);
        assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, 9));
        int before = result.handle();
        granter.table.observe(
                new GrantObserver() {
                    @Override
                    public void begun(int ref, int by, boolean isCopy) {
                        seen.add("begun " + ref + " " + by + " " + isCopy);
                    }

                    @Override
                    public void ended(int ref) {
                        seen.add("ended " + ref);
                    }
                });
        assertEquals(GrantStatus.OKAY, map(2 * AT, HOST_MAP, 9));
        assertEquals(GrantStatus.GENERAL_ERROR, map(3 * AT, HOST_MAP, 10));
        assertEquals(GrantStatus.OKAY, unmap(AT, before));
        granter.table.observe(null);
        assertEquals(GrantStatus.OKAY, unmap(2 * AT, result.handle()));

        assertEquals(List.of("begun 9 5 false", "ended 9"), seen);
    }

    @Test
    void readOnlyGrantsAreMappedReadOnly() {
        inBothVersions(version -> {
            granter.grant(9, Gtf.PERMIT_ACCESS | Gtf.READONLY, mapper.id, 4);
            assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP, 9));
            assertEquals(0, granter.inUse(9));
            assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP | READONLY, 9));
            assertTrue(mapper.placedAt(20).readOnly());
            assertEquals(Gtf.READING, granter.inUse(9));
            assertEquals(GrantStatus.GENERAL_ERROR, map(2 * AT, HOST_MAP, 9));
            assertEquals(Gtf.READING, granter.inUse(9), "a refusal takes nothing away");
            assertEquals(GrantStatus.OKAY, unmap(AT, result.handle()));
            assertEquals(0, granter.inUse(9));
        });
    }

    @Test
    void flagsGoWithTheLastMappingOfTheirKind() {
        inBothVersions(version -> {
            granter.grant(9, mapper, 5);
            assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP | READONLY, 9));
            int reader = result.handle();
            assertEquals(GrantStatus.OKAY, map(2 * AT, HOST_MAP, 9));
            assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(9));
            unmap(2 * AT, result.handle());
            assertEquals(Gtf.READING, granter.inUse(9));
            unmap(AT, reader);
            assertEquals(0, granter.inUse(9));
        });
    }

    @Test
    void flagsThatAreNotForHvmAreRefused() {
        granter.grant(9, mapper, 4);
        assertEquals(GrantStatus.BAD_GNTREF, map(AT, 0, 9));
        assertEquals(GrantStatus.BAD_GNTREF, map(AT, READONLY, 9));
        for (int flag : new int[] {1, 8, 16}) {
            assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP | flag, 9));
        }
        assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP | 0x8000_0000, 9));
        assertEquals(0, granter.inUse(9));
        assertEquals(GrantStatus.BAD_GNTREF, map(AT, HOST_MAP | 32, 512), "the entry comes first");
        assertTrue(mapper.placed.isEmpty());
    }

    @Test
    void unknownDomainsAreBad() {
        MapResult to = new MapResult();
        for (DomId dom : List.of(new DomId(9), DomId.SELF, new DomId(0xffff))) {
            assertEquals(
                    GrantStatus.BAD_DOMAIN, MapResult.map(mapper.table, AT, HOST_MAP, 9, dom, to));
        }
        assertEquals(
                GrantStatus.GENERAL_ERROR,
                MapResult.map(mapper.table, AT, HOST_MAP, 9, DomId.DOM0, to),
                "the service grants nothing");
        assertEquals(
                GrantStatus.BAD_GNTREF,
                MapResult.map(mapper.table, AT, HOST_MAP, 512, DomId.DOM0, to));
    }

    @Test
    void pagesWithoutAGrantCannotBeMapped() {
        inBothVersions(version -> {
            granter.grant(9, 0, mapper.id, 4);
            assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP, 9), "invalid");
            granter.grant(9, third, 4);
            assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP, 9), "to another");
            granter.grant(9, 2, mapper.id, 4);
            assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP, 9), "for transfer");
            granter.grant(9, 3, mapper.id, 4);
            assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP, 9), "transitive");
            granter.grant(9, Gtf.PERMIT_ACCESS | Gtf.SUB_PAGE, mapper.id, 4);
            assertEquals(GrantStatus.GENERAL_ERROR, map(AT, HOST_MAP, 9), "a part of a page");
            assertEquals(0, granter.inUse(9));
            assertEquals(GrantStatus.BAD_GNTREF, map(AT, HOST_MAP, 512));
            assertEquals(GrantStatus.BAD_GNTREF, map(AT, HOST_MAP, -1));
            assertEquals(GrantStatus.BAD_GNTREF, map(AT, HOST_MAP, Integer.MIN_VALUE));
        });
    }

    @Test
    void aGrantOfNoRamIsABadPageAndLeavesNoFlag() {
        inBothVersions(version -> {
            for (long gfn : new long[] {FakeDomain.RAM_PAGES, 0xffff_ffffL}) {
                granter.grant(9, mapper, gfn);
                assertEquals(GrantStatus.BAD_PAGE, map(AT, HOST_MAP, 9));
                assertEquals(0, granter.inUse(9));
            }
        });
    }

    @Test
    void aPageThatTheGranterHasMappedItselfCannotBeGrantedOn() {
        third.grant(9, granter, 1);
        assertEquals(
                GrantStatus.OKAY,
                MapResult.map(granter.table, 7 * 4096, HOST_MAP, 9, third.id, new MapResult()));
        granter.grant(10, mapper, 7);
        assertEquals(GrantStatus.BAD_PAGE, map(AT, HOST_MAP, 10));
        assertEquals(0, granter.inUse(10));
    }

    @Test
    void aMappingAtAnImpossibleAddressLeavesNothingBehind() {
        granter.grant(9, mapper, 4);
        assertEquals(GrantStatus.GENERAL_ERROR, map(FakeDomain.NO_PLACE << 12, HOST_MAP, 9));
        assertEquals(0, granter.inUse(9));
        assertFalse(granter.table.isPinned(granter.mfn(4)));
        assertEquals(GrantStatus.GENERAL_ERROR, map(-1, HOST_MAP, 9));
    }

    @Test
    void guestWritesIntoAnEntryInUseChangeNothing() {
        inBothVersions(version -> {
            granter.grant(9, mapper, 5);
            assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, 9));
            int first = result.handle();
            granter.grant(9, Gtf.READING | Gtf.WRITING, third.id, 6);
            assertEquals(GrantStatus.OKAY, map(2 * AT, HOST_MAP, 9));
            assertEquals(granter.mfn(5), mapper.placedAt(40).mfn());
            assertEquals(GrantStatus.OKAY, unmap(2 * AT, result.handle()));
            assertEquals(GrantStatus.OKAY, unmap(AT, first));
        });
    }

    @Test
    void oneEntryIsForOneMapperAtATime() {
        inBothVersions(version -> {
            granter.grant(9, mapper, 5);
            assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, 9));
            int handle = result.handle();
            granter.grant(9, Gtf.PERMIT_ACCESS, third.id, 5);
            assertEquals(
                    GrantStatus.GENERAL_ERROR,
                    MapResult.map(third.table, AT, HOST_MAP, 9, granter.id, new MapResult()));
            assertEquals(GrantStatus.OKAY, unmap(AT, handle));
        });
    }

    private void add(MapBatch batch, int frame, int ref) {
        batch.add(AT + frame * 4096L, HOST_MAP, ref, granter.id);
    }

    private void assertAllOkay(MapBatch batch) {
        for (int i = 0; i < batch.count(); i++) {
            assertEquals(GrantStatus.OKAY, batch.status(i), "operation " + i);
        }
    }

    private void unmapAll(MapBatch batch) {
        UnmapBatch unmaps = new UnmapBatch();
        for (int i = 0; i < batch.count(); i++) {
            unmaps.add(AT + i * 4096L, batch.handle(i));
        }
        mapper.table.unmap(unmaps);
        for (int i = 0; i < unmaps.count(); i++) {
            assertEquals(GrantStatus.OKAY, unmaps.status(i), "operation " + i);
        }
    }

    @Test
    void neighboursOfABatchArePlacedAndRemovedTogetherInAnyOrder() {
        MapBatch batch = new MapBatch();
        for (int i = 0; i < 8; i++) {
            granter.grant(9 + i, mapper, i);
        }
        for (int i : new int[] {5, 7, 6, 4, 0, 2, 1, 3}) {
            add(batch, i, 9 + i);
        }
        mapper.table.map(batch);
        assertAllOkay(batch);
        assertEquals(1, mapper.places);
        int[] handles = new int[8];
        for (int i = 0; i < 8; i++) {
            assertEquals(granter.mfn(i), mapper.placedAt(20 + i).mfn());
            assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(9 + i));
            handles[Math.toIntExact(batch.busAddress(i) >> 12 & 0xf)] = batch.handle(i);
        }
        UnmapBatch unmaps = new UnmapBatch();
        for (int i = 7; i >= 0; i--) {
            unmaps.add(AT + i * 4096L, handles[i]);
        }
        mapper.onRemove = () -> assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(9));
        mapper.table.unmap(unmaps);
        assertEquals(1, mapper.removals);
        assertTrue(mapper.placed.isEmpty());
        for (int i = 0; i < 8; i++) {
            assertEquals(GrantStatus.OKAY, unmaps.status(i));
            assertEquals(0, granter.inUse(9 + i));
        }
    }

    @Test
    void pagesThatAreNoNeighboursArePlacedAloneAndRemovedTogether() {
        MapBatch batch = new MapBatch();
        for (int i = 0; i < 4; i++) {
            granter.grant(9 + i, mapper, 2L * i);
            add(batch, i, 9 + i);
        }
        mapper.table.map(batch);
        assertAllOkay(batch);
        assertEquals(4, mapper.places);
        unmapAll(batch);
        assertEquals(1, mapper.removals);
    }

    @Test
    void oneOfABatchThatCannotBePlacedStopsNoOther() {
        granter.grant(20, mapper, 15);
        assertEquals(GrantStatus.OKAY, map(AT + 4096, HOST_MAP, 20));
        int before = result.handle();
        MapBatch batch = new MapBatch();
        for (int i = 0; i < 4; i++) {
            granter.grant(9 + i, mapper, i);
            add(batch, i, 9 + i);
        }
        mapper.table.map(batch);
        for (int i = 0; i < 4; i++) {
            boolean isFree = i != 1;
            assertEquals(isFree ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR, batch.status(i));
            assertEquals(isFree ? Gtf.READING | Gtf.WRITING : 0, granter.inUse(9 + i));
        }
        assertEquals(granter.mfn(15), mapper.placedAt(21).mfn());

        UnmapBatch unmaps = new UnmapBatch();
        unmaps.add(AT, batch.handle(0));
        unmaps.add(AT, batch.handle(0));
        unmaps.add(0, batch.handle(2));
        unmaps.add(AT + 4 * 4096, batch.handle(2));
        unmaps.add(AT + 2 * 4096, batch.handle(2));
        unmaps.add(AT + 4096, before);
        unmaps.add(AT + 3 * 4096, -1);
        mapper.table.unmap(unmaps);
        GrantStatus[] expected = {
            GrantStatus.OKAY,
            GrantStatus.BAD_HANDLE,
            GrantStatus.OKAY,
            GrantStatus.GENERAL_ERROR,
            GrantStatus.OKAY,
            GrantStatus.OKAY,
            GrantStatus.BAD_HANDLE
        };
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], unmaps.status(i), "operation " + i);
        }
        assertEquals(granter.mfn(3), mapper.placedAt(23).mfn());
        assertEquals(1, mapper.placed.size());
    }

    @Test
    void twoOfABatchAtOneAddressLeaveItToTheFirst() {
        granter.grant(9, mapper, 1);
        granter.grant(10, mapper, 2);
        MapBatch batch = new MapBatch();
        add(batch, 0, 10);
        add(batch, 0, 9);
        mapper.table.map(batch);
        assertEquals(GrantStatus.OKAY, batch.status(0));
        assertEquals(GrantStatus.GENERAL_ERROR, batch.status(1));
        assertEquals(granter.mfn(2), mapper.placedAt(20).mfn());
        assertEquals(0, granter.inUse(9));
    }

    @Test
    void readersAndWritersOfNeighboursAreNotPlacedTogether() {
        granter.grant(9, mapper, 1);
        granter.grant(10, mapper, 2);
        MapBatch batch = new MapBatch();
        add(batch, 0, 9);
        batch.add(AT + 4096, HOST_MAP | READONLY, 10, granter.id);
        mapper.table.map(batch);
        assertAllOkay(batch);
        assertFalse(mapper.placedAt(20).readOnly());
        assertTrue(mapper.placedAt(21).readOnly());
    }
}
