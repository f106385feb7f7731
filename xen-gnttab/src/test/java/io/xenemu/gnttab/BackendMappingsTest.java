package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Mappings by the service's back ends.
final class BackendMappingsTest {
    private static final GrantRef REF = new GrantRef(9);

    private final FakeDomains domains = new FakeDomains();
    private final FakeDomain domain = domains.add(3);
    private final BackendMappings backend = domain.table.backend();
    private final GrantMapping mapping = new GrantMapping();
    private final GrantRange range = new GrantRange();

    @AfterEach
    void free() {
        domains.close();
    }

    private GrantStatus map(boolean readOnly) {
        return backend.map(REF, DomId.DOM0, readOnly, mapping);
    }

    @Test
    void aWritableMappingReachesThePageAndShowsInTheEntry() {
        domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        assertEquals(GrantStatus.OKAY, map(false));
        assertEquals(4096, mapping.page().byteSize());
        mapping.page().set(ValueLayout.JAVA_INT, 0, 77);
        assertEquals(77, domain.word(5));
        assertEquals(Gtf.READING | Gtf.WRITING, domain.inUse(9));
        assertFalse(domain.revoke(9));
        assertEquals(GrantStatus.OKAY, backend.unmap(mapping));
        assertTrue(domain.revoke(9));
        assertThrows(IllegalStateException.class, mapping::page);
        assertEquals(GrantStatus.BAD_HANDLE, backend.unmap(mapping));
    }

    @Test
    void pagesMappedForWritingAreNamedAndToldAtTheEnd() {
        domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        Set<Long> writable = new HashSet<>();
        domain.table.writableByOthers(writable::add);
        assertEquals(Set.of(), writable);
        assertEquals(GrantStatus.OKAY, map(false));
        domain.table.writableByOthers(writable::add);
        assertEquals(Set.of(domain.mfn(5)), writable);
        assertEquals(Set.of(), domain.written);
        backend.unmap(mapping);
        assertEquals(Set.of(5L), domain.written);
        writable.clear();
        domain.table.writableByOthers(writable::add);
        assertEquals(Set.of(), writable);
    }

    @Test
    void pagesOfARequestAreToldAtItsEnd() {
        domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        domain.grant(10, Gtf.PERMIT_ACCESS, DomId.DOM0, 7);
        GrantPages pages = new GrantPages(2);
        pages.add(9);
        pages.add(10);
        assertEquals(GrantStatus.OKAY, backend.mapPages(pages, DomId.DOM0, true));
        backend.unmapPages(pages);
        assertEquals(Set.of(), domain.written);
        assertEquals(GrantStatus.OKAY, backend.mapPages(pages, DomId.DOM0, false));
        backend.unmapPages(pages);
        assertEquals(Set.of(5L, 7L), domain.written);
    }

    @Test
    void pagesMappedForReadingAreNotTold() {
        domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        assertEquals(GrantStatus.OKAY, map(true));
        domain.table.writableByOthers(mfn -> assertNotEquals(domain.mfn(5), mfn));
        backend.unmap(mapping);
        assertEquals(Set.of(), domain.written);
    }

    @Test
    void aReadOnlyMappingCannotWrite() {
        domain.grant(9, Gtf.PERMIT_ACCESS | Gtf.READONLY, DomId.DOM0, 5);
        assertEquals(GrantStatus.GENERAL_ERROR, map(false));
        assertEquals(GrantStatus.OKAY, map(true));
        assertTrue(mapping.page().isReadOnly());
        assertThrows(IllegalArgumentException.class, () -> map(true), "it is in use");
    }

    @Test
    void aRangeIsAllOfItsPagesInTheirOrder() {
        for (int i = 0; i < 4; i++) {
            domain.grant(9 + i, Gtf.PERMIT_ACCESS, DomId.DOM0, 8 - i);
            domain.setWord(8 - i, i);
        }
        List<GrantRef> refs =
                List.of(new GrantRef(9), new GrantRef(12), new GrantRef(10), new GrantRef(9));
        assertEquals(GrantStatus.OKAY, backend.mapRange(refs, DomId.DOM0, true, domain, range));
        assertEquals(4 * 4096, range.view().byteSize());
        int[] expected = {0, 3, 1, 0};
        for (int i = 0; i < 4; i++) {
            assertEquals(expected[i], range.view().get(ValueLayout.JAVA_INT_UNALIGNED, i * 4096L));
        }
        assertEquals(Gtf.READING, domain.inUse(9));
        assertEquals(0, domain.inUse(11));
        assertEquals(1, domain.views);
        assertEquals(GrantStatus.OKAY, backend.unmapRange(range));
        assertEquals(0, domain.views);
        for (int ref = 9; ref < 13; ref++) {
            assertEquals(0, domain.inUse(ref));
        }
        assertEquals(GrantStatus.BAD_HANDLE, backend.unmapRange(range));
        assertThrows(IllegalStateException.class, range::view);
    }

    @Test
    void aRangeThatCannotBeMappedAsAWholeIsNotMapped() {
        domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        List<GrantRef> refs = List.of(REF, new GrantRef(10));
        assertEquals(
                GrantStatus.GENERAL_ERROR,
                backend.mapRange(refs, DomId.DOM0, false, domain, range));
        assertEquals(0, domain.inUse(9));
        assertFalse(range.isMapped());
        assertEquals(
                0, domains.registry.get("xen.gnttab.mappings").tag("domain", "3").gauge().value());
    }

    @Test
    void aDeadDomainsPageStaysUntilUnmapped() {
        domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        map(false);
        domains.kill(domain);
        assertFalse(domain.released);
        mapping.page().set(ValueLayout.JAVA_INT, 0, 1);
        assertEquals(GrantStatus.OKAY, backend.unmap(mapping));
        assertTrue(domain.released);
        assertEquals(GrantStatus.BAD_DOMAIN, map(true), "too late");
        assertEquals(0, domain.inUse(9));
    }

    @Test
    void pagesOfARequestAreMappedTogether() {
        for (int i = 0; i < 3; i++) {
            domain.grant(9 + i, Gtf.PERMIT_ACCESS, DomId.DOM0, 8 - i);
            domain.ram.set(ValueLayout.JAVA_INT, (8 - i) * 4096L, 100 + i);
        }
        GrantPages pages = new GrantPages(4);
        for (int ref : new int[] {9, 11, 9, 10}) {
            pages.add(ref);
        }
        assertEquals(GrantStatus.OKAY, backend.mapPages(pages, DomId.DOM0, false));
        assertEquals(Gtf.READING | Gtf.WRITING, domain.inUse(11));
        assertEquals(pages.address(0), pages.address(2));
        assertEquals(pages.address(1) + 2 * 4096, pages.address(0));
        assertEquals(101, pages.memory(3).get(ValueLayout.JAVA_INT, pages.offset(3)));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment copy = arena.allocate(8, 8);
            pages.copyOut(3, copy, 8);
            assertEquals(101, copy.get(ValueLayout.JAVA_INT, 0));
            assertThrows(IndexOutOfBoundsException.class, () -> pages.copyOut(3, copy, 9));
            assertThrows(IndexOutOfBoundsException.class, () -> pages.copyOut(3, copy, 4097));
        }
        assertThrows(IllegalStateException.class, pages::clear);
        assertThrows(IllegalStateException.class, () -> pages.address(4));
        assertEquals(GrantStatus.OKAY, backend.unmapPages(pages));
        assertThrows(IllegalStateException.class, () -> pages.address(0));
        assertEquals(GrantStatus.BAD_HANDLE, backend.unmapPages(pages));
        for (int i = 0; i < 3; i++) {
            assertTrue(domain.revoke(9 + i));
        }
    }

    @Test
    void requestWithOnePageThatIsNotGrantedMapsNone() {
        domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        domain.grant(10, Gtf.PERMIT_ACCESS | Gtf.READONLY, DomId.DOM0, 6);
        for (int bad : new int[] {10, 12, -1, Integer.MAX_VALUE, 1 << 20}) {
            GrantPages pages = new GrantPages(3);
            pages.add(9);
            pages.add(9);
            pages.add(bad);
            assertNotEquals(GrantStatus.OKAY, backend.mapPages(pages, DomId.DOM0, false));
            assertFalse(pages.isMapped());
            assertTrue(domain.inUse(9) == 0, "nothing stays in use");
        }
        assertTrue(domain.revoke(9));
        assertTrue(domain.revoke(10));
    }

    /// A block of the record has 512 entries.
    @Test
    void requestMayHavePagesOfSeveralBlocks() {
        assertEquals(GrantStatus.OKAY, domain.table.setupTable(DomId.SELF, 2));
        GrantPages pages = new GrantPages(4);
        int[] refs = {9, 600, 10, 601};
        for (int i = 0; i < refs.length; i++) {
            domain.grant(refs[i], Gtf.PERMIT_ACCESS, DomId.DOM0, i);
            pages.add(refs[i]);
        }
        assertEquals(GrantStatus.OKAY, backend.mapPages(pages, DomId.DOM0, false));
        for (int i = 0; i < refs.length; i++) {
            assertEquals(i * 4096L, pages.offset(i));
            assertEquals(Gtf.READING | Gtf.WRITING, domain.inUse(refs[i]));
        }
        assertEquals(GrantStatus.OKAY, backend.unmapPages(pages));
        domain.revoke(601);
        assertEquals(GrantStatus.GENERAL_ERROR, backend.mapPages(pages, DomId.DOM0, false));
        for (int ref : refs) {
            assertEquals(0, domain.inUse(ref));
        }
        domains.kill(domain);
        assertTrue(domain.released, "nothing is held");
    }

    @Test
    void deadDomainsRequestKeepsItsPagesUntilUnmapped() {
        for (int i = 0; i < 3; i++) {
            domain.grant(9 + i, Gtf.PERMIT_ACCESS, DomId.DOM0, i);
        }
        assertEquals(GrantStatus.OKAY, map(false));
        GrantPages pages = new GrantPages(3);
        for (int ref : new int[] {9, 10, 11}) {
            pages.add(ref);
        }
        assertEquals(GrantStatus.OKAY, backend.mapPages(pages, DomId.DOM0, false));
        domains.kill(domain);
        assertEquals(3, domain.held.size());
        assertEquals(GrantStatus.OKAY, backend.unmapPages(pages));
        assertEquals(1, domain.held.size(), "another one uses the first");
        assertFalse(domain.released);
        assertEquals(GrantStatus.OKAY, backend.unmap(mapping));
        assertEquals(0, domain.held.size());
        assertTrue(domain.released);
        assertEquals(GrantStatus.BAD_DOMAIN, backend.mapPages(pages, DomId.DOM0, false));
    }
}
