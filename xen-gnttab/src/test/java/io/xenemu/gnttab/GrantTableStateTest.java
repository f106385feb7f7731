package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Saved domains that come back.
final class GrantTableStateTest {
    private static final int HOST_MAP = 2;
    private static final int READONLY = 4;
    private static final long AT = 20 * 4096L;

    private final FakeDomains domains = new FakeDomains();
    private final FakeDomain granter = domains.add(3);
    private final FakeDomain mapper = domains.add(5);
    private final MapResult result = new MapResult();
    private final GrantMapping mapping = new GrantMapping();

    @AfterEach
    void free() {
        domains.close();
    }

    /// As on another host: the same memory and configuration, but no object of before.
    private GrantTable restore(FakeDomain domain, GrantTableState state) {
        domain.placed.clear();
        GrantTable table =
                GrantTable.restore(
                        state,
                        domain.environment,
                        new GrantTableMetrics(new SimpleMeterRegistry(), domain.id));
        domains.put(domain.id, table);
        return table;
    }

    private GrantTable saveAndRestore(FakeDomain domain) {
        GrantTableState state = domain.table.save();
        GrantTable table = restore(domain, state);
        assertEquals(state.mappings(), table.save().mappings());
        return table;
    }

    @Test
    void aRestoredBackEndTakesOverItsMappings() throws XenError {
        granter.table.frame(1);
        granter.grant(600, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        GrantRef ref = new GrantRef(600);
        granter.table.backend().map(ref, DomId.DOM0, false, mapping);
        assertEquals(
                new GrantTableState(
                        granter.id,
                        1,
                        GrantLimits.defaults(),
                        2,
                        List.of(new GrantTableState.Mapped(ref, DomId.DOM0, 5, 0, 1)),
                        List.of()),
                granter.table.save());
        BackendMappings backend = saveAndRestore(granter).backend();
        GrantMapping adopted = new GrantMapping();
        assertEquals(GrantStatus.BAD_GNTREF, backend.adopt(ref, DomId.DOM0, true, adopted));
        assertEquals(GrantStatus.BAD_GNTREF, backend.adopt(ref, mapper.id, false, adopted));
        assertEquals(GrantStatus.OKAY, backend.adopt(ref, DomId.DOM0, false, adopted));
        assertEquals(mapping.page().address(), adopted.page().address());
        assertEquals(
                GrantStatus.BAD_GNTREF,
                backend.adopt(ref, DomId.DOM0, false, new GrantMapping()),
                "adopted twice");
        assertEquals(GrantStatus.OKAY, backend.unmap(adopted));
        assertEquals(0, granter.inUse(600));
    }

    @Test
    void aDomainsMappingsAreMadeAgainWithTheirHandles() throws XenError {
        granter.table.setVersion(2);
        granter.grant(9, mapper, 5);
        granter.grant(10, mapper, 6);
        GrantTable mapping = mapper.table;
        MapResult.map(mapping, AT, HOST_MAP, 9, granter.id, result);
        MapResult.map(mapping, 2 * AT, HOST_MAP | READONLY, 10, granter.id, result);
        MapResult.unmap(mapping, AT, 0);
        int handle = result.handle();
        assertEquals(1, handle);

        GrantTable restored = saveAndRestore(mapper);
        GrantTable granting = saveAndRestore(granter);
        assertEquals(2, granting.version());
        assertEquals(0, restored.reattach());
        assertEquals(new FakeDomain.Placed(granter, granter.mfn(6), true), mapper.placed.get(40L));
        assertTrue(granting.isPinned(granter.mfn(6)));
        assertEquals(restored.save(), mapper.table.save());
        assertEquals(GrantStatus.BAD_HANDLE, MapResult.unmap(restored, AT, 0));
        assertEquals(GrantStatus.OKAY, MapResult.unmap(restored, 2 * AT, handle));
        assertEquals(0, granter.inUse(10));
        assertFalse(granting.isPinned(granter.mfn(6)));
    }

    @Test
    void handlesThatAreFreeAgainAreGivenOutOnce() {
        FakeDomain small = domains.add(8, new GrantLimits(1, 1, 1));
        granter.grant(9, small, 5);
        for (int i = 0; i < 100; i++) {
            MapResult.map(small.table, (20L + i) * 4096, HOST_MAP, 9, granter.id, result);
        }
        for (int i = 0; i < 100; i += 2) {
            MapResult.unmap(small.table, (20L + i) * 4096, i);
        }
        GrantTable restored = saveAndRestore(small);
        saveAndRestore(granter);
        assertEquals(0, restored.reattach());
        granter.grant(10, small, 6);
        boolean[] seen = new boolean[Maptrack.PER_FRAME];
        for (int i = 0; i < Maptrack.PER_FRAME - 50; i++) {
            int ref = i < 128 ? 10 : 11;
            granter.grant(11, small, 6);
            assertEquals(
                    GrantStatus.OKAY,
                    MapResult.map(
                            restored,
                            (200L + i) * 4096,
                            HOST_MAP | READONLY,
                            ref,
                            granter.id,
                            result));
            boolean stillMapped = result.handle() < 100 && result.handle() % 2 == 1;
            assertFalse(seen[result.handle()] || stillMapped);
            seen[result.handle()] = true;
        }
        assertEquals(
                GrantStatus.NO_SPACE,
                MapResult.map(restored, AT, HOST_MAP, 10, granter.id, result));
    }

    @Test
    void mappingsOfADomainThatIsGoneAreLost() {
        granter.grant(9, mapper, 5);
        MapResult.map(mapper.table, AT, HOST_MAP, 9, granter.id, result);
        GrantTableState state = mapper.table.save();
        domains.kill(granter);
        GrantTable restored = restore(mapper, state);
        assertEquals(1, restored.reattach());
        assertTrue(mapper.placed.isEmpty());
        assertEquals(GrantStatus.BAD_HANDLE, MapResult.unmap(restored, AT, result.handle()));
    }

    @Test
    void usesByADomainThatIsNotRestoredEnd() {
        granter.grant(9, mapper, 5);
        MapResult.map(mapper.table, AT, HOST_MAP, 9, granter.id, result);
        MapResult.map(mapper.table, 2 * AT, HOST_MAP | READONLY, 9, granter.id, result);
        GrantTable granting = saveAndRestore(granter);
        granting.abandon(new DomId(6));
        assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(9));
        granting.abandon(mapper.id);
        assertEquals(0, granter.inUse(9));
        assertTrue(granting.save().mappings().isEmpty());
    }

    @Test
    void contradictingStatesAreRefused() {
        for (List<GrantTableState.Mapped> bad :
                List.of(
                        List.of(mapped(512, 5, 1)),
                        List.of(mapped(9, 5, 0)),
                        List.of(mapped(9, 5, 129)),
                        List.of(mapped(9, FakeDomain.RAM_PAGES, 1)),
                        List.of(mapped(-1, 5, 1)),
                        List.of(mapped(9, 5, 1), mapped(9, 5, 1)))) {
            assertRefused(1, new GrantLimits(64, 1, 1), 1, bad);
        }
        assertRefused(2, new GrantLimits(64, 1, 2), 1, List.of(mapped(256, 5, 1)));
        assertRefused(2, new GrantLimits(64, 1, 1), 1, List.of());
        assertRefused(0, new GrantLimits(64, 1, 2), 1, List.of());
        assertRefused(3, new GrantLimits(64, 1, 2), 1, List.of());
        assertRefused(1, new GrantLimits(1, 1, 2), 2, List.of());
    }

    private static GrantTableState.Mapped mapped(int ref, long gfn, int readers) {
        return new GrantTableState.Mapped(new GrantRef(ref), DomId.DOM0, gfn, readers, 0);
    }

    private void assertRefused(
            int version, GrantLimits limits, int frames, List<GrantTableState.Mapped> mappings) {
        GrantTableState state =
                new GrantTableState(granter.id, version, limits, frames, mappings, List.of());
        assertThrows(
                IllegalArgumentException.class, () -> restore(granter, state), state::toString);
    }
}
