package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Flaws of grant tables, by Xen's security advisories, must not be possible here. One method each, named after
/// it.
///
/// Some are about the hypercall itself, or about where a table's frames are shown (XSA-217, 318, 379, 382, 384, 387,
/// 486). Those are with the hypercalls and the memory of a domain, in xen-emu-core.
@Timeout(60)
final class GrantAdvisoryTest extends MappingDomains {
    private static final int DEVICE_MAP = 1;
    private static final int ROUNDS = 10_000;
    private static final int SECONDS = 60;
    private static final int REF = 9;

    /// Runs each again and again, until all have run so often; what fails in any of them fails here.
    private static void race(int rounds, List<Callable<Void>> works) throws Exception {
        AtomicInteger unfinished = new AtomicInteger(works.size());
        AtomicBoolean failed = new AtomicBoolean();
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            List<Future<Void>> running = new ArrayList<>();
            for (Callable<Void> work : works) {
                running.add(
                        threads.submit(() -> {
                            boolean done = false;
                            try {
                                for (int i = 1; unfinished.get() > 0 && !failed.get(); i++) {
                                    work.call();
                                    if (i == rounds) {
                                        unfinished.decrementAndGet();
                                    }
                                }
                                done = true;
                            } finally {
                                if (!done) {
                                    failed.set(true);
                                }
                            }
                            return null;
                        }));
            }
            for (Future<Void> future : running) {
                future.get();
            }
        }
    }

    /// The result of work on another vCPU, which shares no lock with this one.
    private static <T> T elsewhere(Callable<T> work)
            throws ExecutionException, InterruptedException, TimeoutException {
        try (ExecutorService thread =
                Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().factory())) {
            Future<T> answer = thread.submit(work);
            try {
                return answer.get(SECONDS, TimeUnit.SECONDS);
            } finally {
                thread.shutdownNow();
            }
        }
    }

    private GrantStatus copy(int ref, boolean toRef) {
        GrantCopy copy = mapper.table.newCopy();
        if (toRef) {
            copy.from(DomId.SELF, false, 6, 0);
            copy.to(granter.id, true, ref, 0);
        } else {
            copy.from(granter.id, true, ref, 0);
            copy.to(DomId.SELF, false, 6, 0);
        }
        return copy.run(64);
    }

    /// Entries were swapped before the table had a version, and with it pages.
    @Test
    void xsa134_entriesOfANewTableCanBeSwapped() {
        GrantTable table = domains.add(7, new GrantLimits(1, 0, 2)).table;
        GrantRef last = new GrantRef(511);
        assertEquals(GrantStatus.OKAY, table.swapGrantRef(new GrantRef(0), last));
        for (int ref : new int[] {512, 513, Integer.MAX_VALUE, Integer.MIN_VALUE, -1}) {
            GrantRef none = new GrantRef(ref);
            assertEquals(GrantStatus.BAD_GNTREF, table.swapGrantRef(none, last));
            assertEquals(GrantStatus.BAD_GNTREF, table.swapGrantRef(last, none));
        }
    }

    /// The granter was told that a page was no longer in use, while its user still had access.
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void xsa218_pageIsRemovedBeforeItsGrantCanBeRevoked(int version) throws XenError {
        granter.table.setVersion(version);
        granter.grant(REF, mapper, 4);
        assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, REF));
        AtomicInteger removals = new AtomicInteger();
        mapper.onRemove =
                () -> {
                    assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(REF));
                    assertTrue(granter.table.isPinned(granter.mfn(4)));
                    assertFalse(granter.revoke(REF));
                    removals.incrementAndGet();
                };
        assertEquals(GrantStatus.OKAY, MapResult.unmap(mapper.table, AT, result.handle()));
        assertEquals(1, removals.get());
        assertTrue(granter.revoke(REF));
    }

    /// Two calls that ended the same mapping freed its handle twice, and two later mappings had the same one.
    @Test
    void xsa218_handleIsFreedOnce() throws Exception {
        granter.grant(REF, mapper, 4);
        granter.grant(REF + 1, mapper, 5);
        Set<Integer> ended = ConcurrentHashMap.newKeySet();
        int[] current = {0};
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            for (int i = 0; i < ROUNDS / 10; i++) {
                assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, REF));
                current[0] = result.handle();
                ended.clear();
                Callable<GrantStatus> unmap = () -> MapResult.unmap(mapper.table, AT, current[0]);
                Future<GrantStatus> one = threads.submit(unmap);
                Future<GrantStatus> two = threads.submit(unmap);
                assertEquals(
                        Set.of(GrantStatus.OKAY, GrantStatus.BAD_HANDLE),
                        Set.of(one.get(), two.get()));
                assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, REF));
                int first = result.handle();
                assertEquals(GrantStatus.OKAY, map(2 * AT, HOST_MAP, REF + 1));
                assertTrue(first != result.handle(), "both mappings have handle " + first);
                MapResult.unmap(mapper.table, AT, first);
                MapResult.unmap(mapper.table, 2 * AT, result.handle());
            }
        }
        assertEquals(0, granter.inUse(REF));
        assertEquals(0, granter.inUse(REF + 1));
    }

    /// Unmapping the half of a mapping that it did not have dropped references until the page was freed in use.
    @Test
    void xsa224_unmapOfAnUnmappedAddressEndsNothing() {
        granter.grant(REF, mapper, 4);
        int both = DEVICE_MAP | HOST_MAP;
        assertEquals(GrantStatus.GENERAL_ERROR, map(AT, DEVICE_MAP, REF));
        assertEquals(GrantStatus.GENERAL_ERROR, map(AT, both, REF));
        assertEquals(0, granter.inUse(REF));

        assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, REF));
        int handle = result.handle();
        for (int i = 0; i < 2 * ActiveEntries.MAX_PINS; i++) {
            assertEquals(GrantStatus.OKAY, MapResult.unmap(mapper.table, 0, handle));
            assertEquals(GrantStatus.GENERAL_ERROR, MapResult.unmap(mapper.table, 2 * AT, handle));
        }
        assertTrue(granter.table.isPinned(granter.mfn(4)));
        assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(REF));
        domains.kill(granter);
        assertFalse(granter.released, "it is still mapped");
        assertEquals(GrantStatus.OKAY, MapResult.unmap(mapper.table, AT, handle));
        assertTrue(granter.released);
    }

    /// Copies through a transitive grant in use already counted it wrongly, and others recursed without a bound.
    @Test
    void xsa226_usesThroughATransitiveGrantAreCountedBehindItToo() throws XenError {
        granter.table.setVersion(2);
        third.table.setVersion(2);
        third.grant(10, granter, 7);
        granter.grantTransitive(REF, 0, mapper.id, third.id, 10);
        Pins pins = granter.table.pins();
        int by = mapper.id.value();
        for (int i = 0; i < 10; i++) {
            assertEquals(GrantStatus.OKAY, pins.acquire(REF, by, true, true));
        }
        for (int i = 0; i < 10; i++) {
            assertTrue(third.table.isPinned(third.mfn(7)));
            assertEquals(Gtf.READING, third.inUse(10));
            pins.unpin(REF, true);
        }
        assertFalse(third.table.isPinned(third.mfn(7)));
        assertEquals(0, third.inUse(10));
        assertEquals(0, granter.inUse(REF));

        third.grantTransitive(10, 0, granter.id, granter.id, REF);
        assertEquals(GrantStatus.GENERAL_ERROR, pins.acquire(REF, by, true, true), "a loop");
        assertEquals(0, third.inUse(10));
        assertEquals(0, granter.inUse(REF));
    }

    /// The version was changed though a reserved entry was transitive, which version 1 cannot express.
    @Test
    void xsa226_transitiveEntryKeepsTheVersion() throws XenError {
        granter.table.setVersion(2);
        granter.grantTransitive(0, 0, mapper.id, third.id, 10);
        assertSame(
                XenError.ERANGE, assertThrows(XenError.class, () -> granter.table.setVersion(1)));
        assertEquals(2, granter.table.version());
    }

    /// vCPUs that mapped at the same time broke the list of free handles.
    @Test
    void xsa228_handlesOfVcpusThatMapAtTheSameTimeAreTheirOwn() throws Exception {
        Maptrack maptrack = new Maptrack(1);
        Set<Integer> inUse = ConcurrentHashMap.newKeySet();
        Pins pins = granter.table.pins();
        Callable<Void> vcpu =
                () -> {
                    int handle = maptrack.reserve();
                    assertTrue(inUse.add(handle), "another vCPU has this handle");
                    maptrack.set(handle, pins, granter.id.value(), REF, false, 20);
                    assertTrue(maptrack.take(handle));
                    inUse.remove(handle);
                    maptrack.end(handle);
                    return null;
                };
        race(50 * ROUNDS, List.of(vcpu, vcpu, vcpu));
        assertEquals(0, maptrack.mapped());
        for (int i = 0; i < Maptrack.PER_FRAME; i++) {
            assertTrue(inUse.add(maptrack.reserve()));
        }
        assertEquals(Maptrack.NONE, maptrack.reserve());
    }

    /// The end of a copy took the flags away that a mapping of the same grant still needed.
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void xsa230_endOfACopyLeavesTheFlagsOfAMapping(int version) throws XenError {
        granter.table.setVersion(version);
        granter.grant(REF, mapper, 4);
        assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP | READONLY, REF));
        int reader = result.handle();
        assertEquals(GrantStatus.OKAY, copy(REF, true));
        assertEquals(Gtf.READING, granter.inUse(REF));
        assertEquals(GrantStatus.OKAY, map(2 * AT, HOST_MAP, REF));
        assertEquals(GrantStatus.OKAY, copy(REF, false));
        assertEquals(GrantStatus.OKAY, copy(REF, true));
        assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(REF));
        MapResult.unmap(mapper.table, AT, reader);
        assertEquals(GrantStatus.OKAY, copy(REF, false));
        assertEquals(Gtf.READING | Gtf.WRITING, granter.inUse(REF), "of the one for writing");
        MapResult.unmap(mapper.table, 2 * AT, result.handle());
        assertEquals(0, granter.inUse(REF));
    }

    /// The reference to a page was dropped before the count of its uses, and a use that came between had no page.
    @Test
    void xsa236_pageInUseIsHeldWhileOtherUsesEnd() throws Exception {
        granter.grant(REF, mapper, 4);
        long mfn = granter.mfn(4);
        Callable<Void> copies =
                () -> {
                    assertEquals(GrantStatus.OKAY, copy(REF, false));
                    return null;
                };
        Callable<Void> mapping =
                () -> {
                    assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP, REF));
                    assertTrue(granter.table.isPinned(mfn), "mapped, and not held");
                    assertEquals(
                            GrantStatus.OKAY, MapResult.unmap(mapper.table, AT, result.handle()));
                    return null;
                };
        race(ROUNDS, List.of(mapping, copies, copies));
        assertFalse(granter.table.isPinned(mfn));
        assertEquals(0, granter.inUse(REF));
    }

    /// Status frames were freed with the change to version 1 while the guest had them mapped.
    @Test
    void xsa255_statusFramesAreTakenAwayWithTheirVersion() throws XenError {
        long status = 0x8000_0000L;
        GrantTable table = granter.table;
        table.setVersion(2);
        assertTrue(table.frame(status).isStatus());
        assertEquals(0, granter.statusRemovals);
        table.setVersion(1);
        assertEquals(1, granter.statusRemovals);
        assertEquals(0, table.statusFrames());
        assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> table.frame(status)));
    }

    /// An entry that was refused made a mapping fail with 1, which Linux took for success.
    @Test
    void xsa316_everyFailureIsNegative() {
        granter.grant(REF, third, 4);
        GrantStatus refused = map(AT, HOST_MAP, REF);
        assertEquals(GrantStatus.GENERAL_ERROR, refused);
        for (GrantStatus status : GrantStatus.values()) {
            assertEquals(status != GrantStatus.OKAY, status.code() < 0, status::name);
        }
    }

    /// The path after an error of a transitive copy left a lock held.
    @Test
    void xsa411_failedTransitiveCopyHoldsNoLock() throws Exception {
        granter.table.setVersion(2);
        third.table.setVersion(2);
        third.grant(10, granter, 7);
        granter.grantTransitive(REF, 0, mapper.id, third.id, 10);
        // What is behind comes into use, and then the grant before it is found to be revoked.
        third.onLookup = () -> granter.grant(REF, 0, mapper.id, 0);
        assertEquals(GrantStatus.GENERAL_ERROR, copy(REF, false));
        assertEquals(0, granter.inUse(REF));
        assertEquals(0, third.inUse(10));
        granter.grantTransitive(REF, 0, mapper.id, third.id, 10);
        assertEquals(GrantStatus.OKAY, elsewhere(() -> copy(REF, false)));
        for (FakeDomain domain : List.of(granter, third)) {
            domain.table.setVersion(1);
            assertEquals(
                    1,
                    elsewhere(() -> {
                        domain.table.setVersion(2);
                        domain.table.setVersion(1);
                        return domain.table.version();
                    }));
        }
    }

    /// A copy of a page in use checked what the entry says now, and worked on what it had said before (CVE-2026-62428).
    @Test
    void xsa500_copyOfAPageInUseIsOfThatPage() throws XenError {
        granter.table.setVersion(2);
        for (int gfn = 4; gfn < 8; gfn++) {
            granter.setWord(gfn, 100 + gfn);
        }
        granter.grant(REF, mapper, 4);
        assertEquals(GrantStatus.OKAY, map(AT, HOST_MAP | READONLY, REF));
        granter.grant(REF, mapper, 5);
        assertEquals(GrantStatus.OKAY, copy(REF, false));
        assertEquals(104, mapper.word(6));
        assertFalse(granter.table.isPinned(granter.mfn(5)));

        granter.grantPart(REF, Gtf.PERMIT_ACCESS | Gtf.SUB_PAGE, mapper.id, 5, 0, 64);
        mapper.setWord(6, 0);
        assertEquals(GrantStatus.OKAY, copy(REF, false));
        assertEquals(104, mapper.word(6));
        third.grant(10, granter, 7);
        granter.grantTransitive(REF, 0, mapper.id, third.id, 10);
        mapper.setWord(6, 0);
        assertTrue(copy(REF, false) != GrantStatus.OKAY, "no longer the grant that is in use");
        assertEquals(0, mapper.word(6));
        assertEquals(0, third.inUse(10));

        assertEquals(GrantStatus.OKAY, MapResult.unmap(mapper.table, AT, result.handle()));
        assertFalse(granter.table.isPinned(granter.mfn(4)));
    }

    /// The version changed while an operation had let go of the table, whose status words were gone then
    /// (CVE-2026-62436).
    @Test
    void xsa501_versionThatChangesDuringATransitiveCopyIsNoticed() throws XenError {
        granter.table.setVersion(2);
        third.grant(10, granter, 7);
        granter.grantTransitive(REF, 0, mapper.id, third.id, 10);
        AtomicBoolean changed = new AtomicBoolean();
        third.onLookup =
                () -> {
                    try {
                        granter.table.setVersion(1);
                        changed.set(true);
                    } catch (XenError e) {
                        assertSame(XenError.EBUSY, e);
                    }
                };
        GrantStatus status = copy(REF, false);
        assertEquals(changed.get(), status != GrantStatus.OKAY);
        assertEquals(0, granter.inUse(REF));
        assertEquals(0, third.inUse(10));
        assertFalse(third.table.isPinned(third.mfn(7)));
    }
}
