package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.junit.jupiter.api.Test;

/// Handles of mappings: how many there are, what they end, and what becomes of them when the mapper or the granter
/// dies.
final class MappingHandlesTest extends MappingDomains {
    private GrantStatus mapBy(FakeDomain domain, int ref) {
        return MapResult.map(domain.table, (20L + ref) * 4096, HOST_MAP, ref, granter.id, result);
    }

    private double gauge(String name, String domain) {
        return domains.registry.get(name).tag("domain", domain).gauge().value();
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
                MapResult.map(small.table, 0, HOST_MAP, -1, granter.id, result),
                "before the entry is looked at");
        assertEquals(GrantStatus.OKAY, MapResult.unmap(small.table, (20L + 7) * 4096, 7));
        assertEquals(GrantStatus.OKAY, mapBy(small, 300));
        assertEquals(7, result.handle());
    }

    @Test
    void aDomainWithoutMaptrackFramesCannotMap() {
        FakeDomain none = domains.add(8, new GrantLimits(1, 0, 1));
        granter.grant(9, none, 5);
        assertEquals(GrantStatus.NO_SPACE, mapBy(none, 9));
        assertEquals(GrantStatus.BAD_HANDLE, MapResult.unmap(none.table, AT, 0));
    }

    @Test
    void handlesOfNoMappingAreBad() {
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
        assertEquals(GrantStatus.OKAY, MapResult.unmap(mapper.table, AT + 5, handle));
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
    void pagesOfADeadGranterAreFreedOneByOneAndCannotBeMapped() {
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
    void aDomainThatMapsItsOwnPagesIsReleasedAtItsEnd() {
        mapper.grant(9, mapper, 5);
        assertEquals(
                GrantStatus.OKAY, MapResult.map(mapper.table, AT, HOST_MAP, 9, mapper.id, result));
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
}
