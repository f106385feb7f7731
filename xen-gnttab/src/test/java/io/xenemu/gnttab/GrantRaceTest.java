package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Guests that change entries, map and unmap at the same time.
final class GrantRaceTest {
    private static final int HOST_MAP = 2;
    private static final int READONLY = 4;
    private static final int ROUNDS = 20_000;

    private final FakeDomains domains = new FakeDomains();
    private final FakeDomain granter = domains.add(3);
    private final FakeDomain mapper = domains.add(5);

    @AfterEach
    void free() {
        domains.close();
    }

    private interface Work {
        void run() throws XenError;
    }

    /// Runs `work` while others do what they do again and again; what fails in any of them fails here.
    private static void beside(List<Work> others, Work work) throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<Thread> threads =
                others.stream()
                        .map(other ->
                                Thread.ofPlatform()
                                        .start(() -> {
                                            try {
                                                while (!done.get()) {
                                                    other.run();
                                                }
                                            } catch (Throwable e) {
                                                failure.set(e);
                                            }
                                        }))
                        .toList();
        try {
            work.run();
        } finally {
            done.set(true);
            for (Thread thread : threads) {
                thread.join();
            }
        }
        Throwable failed = failure.get();
        if (failed != null) {
            throw new AssertionError(failed);
        }
    }

    /// The guest revokes and grants again as fast as it can, each time another page. A mapping always is of a page that
    /// was granted at its time, and as long as it lasts the guest cannot revoke it.
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aRevocationInFlightLeavesNoMappingBehind(int version) throws Exception {
        granter.table.setVersion(version);
        int[] gfn = {0};
        Work guest =
                () -> {
                    if (granter.revoke(9)) {
                        gfn[0] = (gfn[0] + 1) % FakeDomain.RAM_PAGES;
                        granter.grant(9, mapper, gfn[0]);
                    }
                };
        beside(List.of(guest), this::mapAndCheck);
        assertEquals(0, granter.inUse(9));
    }

    private void mapAndCheck() {
        MapResult result = new MapResult();
        int mapped = 0;
        for (int i = 0; i < ROUNDS || mapped == 0; i++) {
            int flags = HOST_MAP | ((i & 1) != 0 ? READONLY : 0);
            GrantStatus status =
                    MapResult.map(mapper.table, 20 << 12, flags, 9, granter.id, result);
            if (status == GrantStatus.OKAY) {
                mapped++;
                assertNotEquals(0, granter.inUse(9) & Gtf.READING, "mapped without its flag");
                assertTrue(granter.table.isPinned(mapper.placedAt(20).mfn()));
                assertEquals(
                        GrantStatus.OKAY, MapResult.unmap(mapper.table, 20 << 12, result.handle()));
            } else {
                assertEquals(GrantStatus.GENERAL_ERROR, status);
                assertFalse(mapper.placed.containsKey(20L));
            }
        }
    }

    /// A guest that never leaves an entry alone makes mappings fail, but not take for ever.
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void anEntryThatNeverRestsDoesNotStopTheMapper(int version) throws Exception {
        granter.table.setVersion(version);
        granter.grant(9, mapper, 4);
        int[] round = {0};
        Work guest =
                () -> {
                    int flags = Gtf.PERMIT_ACCESS | (round[0]++ & 1) * Gtf.READONLY;
                    granter.grant(9, flags, mapper.id, 4);
                };
        beside(
                List.of(guest, guest),
                () -> {
                    MapResult result = new MapResult();
                    for (int i = 0; i < ROUNDS; i++) {
                        if (MapResult.map(mapper.table, 20 << 12, HOST_MAP, 9, granter.id, result)
                                == GrantStatus.OKAY) {
                            MapResult.unmap(mapper.table, 20 << 12, result.handle());
                        }
                    }
                });
        assertFalse(granter.table.isPinned(granter.mfn(4)));
    }

    /// Two vCPUs that end the same mapping: one of them does.
    @Test
    void aMappingEndsOnce() throws Exception {
        granter.grant(9, mapper, 4);
        // At most one handle is being ended by each, besides the one that is mapped.
        int handles = 3;
        int[] next = {0};
        Work vcpu = () -> MapResult.unmap(mapper.table, 20 << 12, next[0]++ % handles);
        beside(
                List.of(vcpu),
                () -> {
                    MapResult result = new MapResult();
                    for (int i = 0; i < ROUNDS; i++) {
                        if (MapResult.map(mapper.table, 20 << 12, HOST_MAP, 9, granter.id, result)
                                == GrantStatus.OKAY) {
                            assertTrue(result.handle() < handles);
                            MapResult.unmap(mapper.table, 20 << 12, result.handle());
                        }
                    }
                });
        assertEquals(0, granter.inUse(9));
        assertTrue(mapper.placed.isEmpty());
        assertEquals(
                0, domains.registry.get("xen.gnttab.maptrack").tag("domain", "5").gauge().value());
    }

    /// Changing the version and mapping exclude each other.
    @Test
    void theVersionDoesNotChangeUnderAMapping() throws Exception {
        int[] version = {1};
        Work guest =
                () -> {
                    version[0] = 3 - version[0];
                    try {
                        granter.table.setVersion(version[0]);
                        granter.grant(9, mapper, 4);
                    } catch (XenError e) {
                        assertEquals(XenError.EBUSY, e);
                    }
                };
        beside(
                List.of(guest),
                () -> {
                    MapResult result = new MapResult();
                    int mapped = 0;
                    for (int i = 0; i < ROUNDS || mapped == 0; i++) {
                        if (MapResult.map(mapper.table, 20 << 12, HOST_MAP, 9, granter.id, result)
                                == GrantStatus.OKAY) {
                            mapped++;
                            assertTrue(granter.table.isPinned(granter.mfn(4)));
                            MapResult.unmap(mapper.table, 20 << 12, result.handle());
                        }
                    }
                });
        assertFalse(granter.table.isPinned(granter.mfn(4)));
    }

    /// Several vCPUs copy through one transitive grant while the guest behind it revokes and grants.
    @Test
    void copiesThroughATransitiveGrantLeaveNothingInUse() throws Exception {
        FakeDomain third = domains.add(6);
        third.table.setVersion(2);
        granter.table.setVersion(2);
        granter.grantTransitive(9, 0, mapper.id, third.id, 10);
        third.grant(10, granter, 4);
        Work guest =
                () -> {
                    if (third.revoke(10)) {
                        third.grant(10, granter, 4);
                    }
                };
        Work vcpu = () -> copyOnce(mapper.table.newCopy(), 6);
        GrantCopy copy = mapper.table.newCopy();
        beside(
                List.of(guest, vcpu),
                () -> {
                    for (int i = 0; i < ROUNDS; i++) {
                        copyOnce(copy, 7);
                    }
                });
        assertEquals(0, granter.inUse(9));
        assertEquals(0, third.inUse(10));
        assertFalse(third.table.isPinned(third.mfn(4)));
    }

    private void copyOnce(GrantCopy copy, int gfn) {
        copy.from(granter.id, true, 9, 0);
        copy.to(DomId.SELF, false, gfn, 0);
        GrantStatus status = copy.run(64);
        assertTrue(
                List.of(GrantStatus.OKAY, GrantStatus.GENERAL_ERROR, GrantStatus.EAGAIN)
                        .contains(status),
                status::name);
    }

    /// The granter goes while others map and copy: its memory goes once, and not before the last use ends.
    @Test
    void aGranterThatDiesIsReleasedOnce() throws Exception {
        for (int round = 0; round < 200; round++) {
            FakeDomain dying = domains.add(7, new GrantLimits(1, 1, 2));
            dying.grant(9, mapper, 4);
            int[] releases = {0};
            GrantTable table = dying.table;
            Work vcpu =
                    () -> {
                        if (table.pins().acquire(9, 5, false, true) == GrantStatus.OKAY) {
                            assertEquals(0, releases[0], "in use");
                            table.pins().unpin(9, false);
                        }
                    };
            beside(List.of(vcpu, vcpu), () -> table.destroy(() -> releases[0]++));
            assertEquals(1, releases[0]);
        }
    }
}
