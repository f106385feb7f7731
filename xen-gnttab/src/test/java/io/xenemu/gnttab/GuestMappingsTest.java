package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import java.util.Set;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// One domain maps what another grants. Results and errors, in both versions where they could differ.
final class GuestMappingsTest {
    private static final int HOST_MAP = 2;
    private static final int READONLY = 4;
    private static final long AT = 20 * 4096L;

    private final FakeDomains domains = new FakeDomains();
    private final FakeDomain granter = domains.add(3);
    private final FakeDomain mapper = domains.add(5);
    private final FakeDomain third = domains.add(6);
    private final MapResult result = new MapResult();

    @AfterEach
    void free() {
        domains.close();
    }

    private GrantStatus map(long address, int flags, int ref) {
        return mapper.table.mapGrantRef(address, flags, ref, granter.id, result);
    }

    private GrantStatus unmap(long address, int handle) {
        return mapper.table.unmapGrantRef(address, handle);
    }

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
    void aMappingShowsThePageAndInTheEntry() {
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
    void domainsThatAreNotThereAreBad() {
        MapResult to = new MapResult();
        for (DomId dom : List.of(new DomId(9), DomId.SELF, new DomId(0xffff))) {
            assertEquals(
                    GrantStatus.BAD_DOMAIN, mapper.table.mapGrantRef(AT, HOST_MAP, 9, dom, to));
        }
        assertEquals(
                GrantStatus.GENERAL_ERROR,
                mapper.table.mapGrantRef(AT, HOST_MAP, 9, DomId.DOM0, to),
                "the service grants nothing");
        assertEquals(
                GrantStatus.BAD_GNTREF,
                mapper.table.mapGrantRef(AT, HOST_MAP, 512, DomId.DOM0, to));
    }

    @Test
    void whatIsNotGrantedCannotBeMapped() {
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
    void aPageThatTheGranterItselfHasMappedIsNotItsToGrant() {
        third.grant(9, granter, 1);
        assertEquals(
                GrantStatus.OKAY,
                granter.table.mapGrantRef(7 * 4096, HOST_MAP, 9, third.id, new MapResult()));
        granter.grant(10, mapper, 7);
        assertEquals(GrantStatus.BAD_PAGE, map(AT, HOST_MAP, 10));
        assertEquals(0, granter.inUse(10));
    }

    @Test
    void aPlaceWhereNothingCanBeLeavesNothingBehind() {
        granter.grant(9, mapper, 4);
        assertEquals(GrantStatus.GENERAL_ERROR, map(FakeDomain.NO_PLACE << 12, HOST_MAP, 9));
        assertEquals(0, granter.inUse(9));
        assertFalse(granter.table.isPinned(granter.mfn(4)));
        assertEquals(GrantStatus.GENERAL_ERROR, map(-1, HOST_MAP, 9));
    }

    @Test
    void whatTheGuestWritesIntoAnEntryInUseChangesNothing() {
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
                    third.table.mapGrantRef(AT, HOST_MAP, 9, granter.id, new MapResult()));
            assertEquals(GrantStatus.OKAY, unmap(AT, handle));
        });
    }

    @Test
    void mappingsOfOneEntryAreLimited() {
        granter.grant(9, mapper, 5);
        for (int i = 0; i < ActiveEntries.MAX_PINS; i++) {
            assertEquals(GrantStatus.OKAY, map((20L + i) * 4096, HOST_MAP | READONLY, 9));
        }
        assertEquals(GrantStatus.GENERAL_ERROR, map(4096, HOST_MAP | READONLY, 9));
        assertEquals(GrantStatus.GENERAL_ERROR, map(4096, HOST_MAP, 9));
    }

    @Test
    void handlesAreLimitedAndComeBack() {
        FakeDomain small = domains.add(8, new GrantLimits(1, 1, 1));
        for (int i = 0; i < Maptrack.PER_FRAME; i++) {
            granter.grant(i, small, 5);
            assertEquals(GrantStatus.OKAY, mapBy(small, i));
        }
        granter.grant(300, small, 5);
        assertEquals(GrantStatus.NO_SPACE, mapBy(small, 300));
        assertEquals(0, granter.inUse(300));
        assertEquals(
                GrantStatus.NO_SPACE,
                small.table.mapGrantRef(0, HOST_MAP, -1, granter.id, result),
                "before the entry is looked at");
        assertEquals(GrantStatus.OKAY, small.table.unmapGrantRef((20L + 7) * 4096, 7));
        assertEquals(GrantStatus.OKAY, mapBy(small, 300));
        assertEquals(7, result.handle());
    }

    private GrantStatus mapBy(FakeDomain domain, int ref) {
        return domain.table.mapGrantRef((20L + ref) * 4096, HOST_MAP, ref, granter.id, result);
    }

    @Test
    void aDomainWithoutMaptrackFramesCannotMap() {
        FakeDomain none = domains.add(8, new GrantLimits(1, 0, 1));
        granter.grant(9, none, 5);
        assertEquals(GrantStatus.NO_SPACE, mapBy(none, 9));
        assertEquals(GrantStatus.BAD_HANDLE, none.table.unmapGrantRef(AT, 0));
    }

    @Test
    void handlesThatStandForNothingAreBad() {
        granter.grant(9, mapper, 5);
        assertEquals(GrantStatus.BAD_HANDLE, unmap(AT, 0));
        map(AT, HOST_MAP, 9);
        int handle = result.handle();
        assertEquals(GrantStatus.BAD_HANDLE, unmap(AT, handle + 1));
        assertEquals(GrantStatus.BAD_HANDLE, unmap(AT, -1));
        assertEquals(GrantStatus.BAD_HANDLE, unmap(AT, Integer.MIN_VALUE));
        assertEquals(GrantStatus.OKAY, unmap(AT, handle));
        assertEquals(GrantStatus.BAD_HANDLE, unmap(AT, handle));
    }

    @Test
    void aWrongAddressEndsNothing() {
        granter.grant(9, mapper, 5);
        granter.grant(10, mapper, 6);
        map(AT, HOST_MAP, 9);
        int handle = result.handle();
        map(2 * AT, HOST_MAP, 10);
        assertEquals(GrantStatus.GENERAL_ERROR, unmap(3 * AT, handle), "nothing there");
        assertEquals(GrantStatus.GENERAL_ERROR, unmap(2 * AT, handle), "another page there");
        assertEquals(GrantStatus.OKAY, unmap(0, handle), "nothing asked for");
        assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(9));
        assertEquals(GrantStatus.OKAY, mapper.table.unmapGrantRef(AT + 5, handle));
        assertEquals(0, granter.inUse(9));
    }

    @Test
    void aMappingEndsWhereItWasMadeThoughItsPageIsElsewhereToo() {
        granter.grant(9, mapper, 5);
        map(AT, HOST_MAP | READONLY, 9);
        int reader = result.handle();
        map(2 * AT, HOST_MAP, 9);
        int writer = result.handle();
        assertEquals(GrantStatus.GENERAL_ERROR, unmap(AT, writer));
        assertEquals(GrantStatus.GENERAL_ERROR, unmap(2 * AT, reader));
        assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(9), "it can still be written");
        assertEquals(GrantStatus.OKAY, unmap(2 * AT, writer));
        assertTrue(mapper.placedAt(20).readOnly());
        assertEquals(Gtf.READING, granter.inUse(9));
        assertEquals(GrantStatus.OKAY, unmap(AT, reader));
        assertTrue(mapper.placed.isEmpty());
    }

    @Test
    void aDeadGrantersPageStaysUntilUnmapped() {
        granter.grant(9, mapper, 5);
        map(AT, HOST_MAP, 9);
        int handle = result.handle();
        domains.kill(granter);
        assertFalse(granter.released);
        assertEquals(Set.of(granter.mfn(5)), granter.held);
        assertEquals(GrantStatus.BAD_DOMAIN, map(2 * AT, HOST_MAP, 9));
        FakeDomain successor = domains.add(3);
        assertEquals(granter, mapper.placedAt(20).owner());
        assertEquals(GrantStatus.OKAY, unmap(AT, handle));
        assertTrue(granter.released);
        assertTrue(granter.held.isEmpty());
        assertEquals(0, successor.inUse(9));
    }

    @Test
    void pagesOfTheDeadGoOneByOneAndNoneComesIntoUse() {
        granter.grant(9, mapper, 5);
        granter.grant(10, mapper, 5);
        granter.grant(11, mapper, 6);
        map(AT, HOST_MAP, 9);
        int first = result.handle();
        map(2 * AT, HOST_MAP, 10);
        int second = result.handle();
        map(3 * AT, HOST_MAP, 11);
        GrantTable dead = granter.table;
        domains.kill(granter);
        assertEquals(GrantStatus.BAD_DOMAIN, dead.pins().pin(9, mapper.id.value(), false));
        assertEquals(Set.of(granter.mfn(5), granter.mfn(6)), granter.held);
        unmap(AT, first);
        assertEquals(2, granter.held.size(), "by the other reference");
        unmap(2 * AT, second);
        assertEquals(Set.of(granter.mfn(6)), granter.held);
        assertFalse(granter.released);
        domains.kill(mapper);
        assertTrue(granter.held.isEmpty());
        assertTrue(granter.released);
    }

    @Test
    void aDeadMappersMappingsEnd() {
        granter.grant(9, mapper, 5);
        granter.grant(10, mapper, 6);
        map(AT, HOST_MAP, 9);
        map(2 * AT, HOST_MAP | READONLY, 10);
        domains.kill(mapper);
        assertTrue(mapper.released);
        assertEquals(0, granter.inUse(9));
        assertEquals(0, granter.inUse(10));
        assertFalse(granter.table.isPinned(granter.mfn(5)));
        assertEquals(0, gauge("xen.gnttab.mappings", "3"));
    }

    @Test
    void whoMapsItsOwnPagesCanDie() {
        mapper.grant(9, mapper, 5);
        assertEquals(
                GrantStatus.OKAY, mapper.table.mapGrantRef(AT, HOST_MAP, 9, mapper.id, result));
        domains.kill(mapper);
        assertTrue(mapper.released);
    }

    @Test
    void mappingsAreCountedOnBothSides() {
        granter.grant(9, mapper, 5);
        map(AT, HOST_MAP, 9);
        assertEquals(1, gauge("xen.gnttab.mappings", "3"));
        assertEquals(1, gauge("xen.gnttab.maptrack", "5"));
        assertEquals(1, domains.count(5, "map", "OK"));
        unmap(AT, result.handle());
        assertEquals(0, gauge("xen.gnttab.mappings", "3"));
        assertEquals(0, gauge("xen.gnttab.maptrack", "5"));
        unmap(AT, result.handle());
        assertEquals(1, domains.count(5, "unmap", "BAD_HANDLE"));
    }

    private double gauge(String name, String domain) {
        return domains.registry.get(name).tag("domain", domain).gauge().value();
    }
}
