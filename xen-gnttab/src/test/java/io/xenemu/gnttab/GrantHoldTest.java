package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// A domain that stands still to be saved: no other domain changes its pages or its grant table.
final class GrantHoldTest {
    private static final int HOST_MAP = 2;
    private static final long AT = 20L << 12;
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private final FakeDomains domains = new FakeDomains();
    private final FakeDomain granter = domains.add(2);
    private final FakeDomain other = domains.add(3);
    private final FakeDomain third = domains.add(4);
    private final MapResult result = new MapResult();

    @AfterEach
    void free() {
        domains.close();
    }

    private GrantStatus map(int ref) {
        return MapResult.map(other.table, AT, HOST_MAP, ref, granter.id, result);
    }

    private GrantStatus copyTo(FakeDomain to, int ref) {
        GrantCopy copy = other.table.newCopy();
        copy.from(DomId.SELF, false, 6, 0);
        copy.to(to.id, true, ref, 0);
        return copy.run(4);
    }

    @Test
    void operationsOnHeldGrantsAreEagainAndChangeNothingUntilTheRelease()
            throws InterruptedException {
        granter.grant(9, other, 4);
        granter.setWord(4, 204);
        other.setWord(6, 306);
        assertTrue(granter.table.hold(LIMIT));

        assertEquals(GrantStatus.EAGAIN, copyTo(granter, 9));
        assertEquals(GrantStatus.EAGAIN, map(9));
        assertEquals(204, granter.word(4));
        assertEquals(0, granter.inUse(9));
        assertEquals(List.of(), granter.table.save().mappings());

        granter.table.release();
        assertEquals(GrantStatus.OKAY, copyTo(granter, 9));
        assertEquals(306, granter.word(4));
        assertEquals(GrantStatus.OKAY, map(9));
    }

    @Test
    void grantBehindATransitiveOneIsHeldToo() throws XenError, InterruptedException {
        third.table.setVersion(2);
        granter.grant(9, third, 4);
        third.grantTransitive(10, 0, other.id, granter.id, 9);
        assertTrue(granter.table.hold(LIMIT));
        assertEquals(GrantStatus.EAGAIN, copyTo(third, 10));
        assertEquals(0, third.inUse(10));
        granter.table.release();
        assertEquals(GrantStatus.OKAY, copyTo(third, 10));
    }

    @Test
    void holdWaitsForAnOperationUnderWay() throws InterruptedException {
        granter.grant(9, other, 4);
        List<Boolean> held = new ArrayList<>();
        granter.onLookup =
                () -> {
                    try {
                        held.add(granter.table.hold(Duration.ofMillis(1)));
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                };
        assertEquals(GrantStatus.OKAY, map(9), "a hold that fails holds nothing");
        assertEquals(List.of(false), held);
        assertTrue(granter.table.hold(LIMIT));
    }

    /// Otherwise a domain that is copied into could not be saved: a page that another one maps blocks that.
    @Test
    void copyUnderWayIsWaitedForAndIsNoMapping() throws XenError, InterruptedException {
        granter.grant(9, other, 4);
        assertCopyIsWaitedFor(granter, 9);
        third.table.setVersion(2);
        third.grantTransitive(10, 0, other.id, granter.id, 9);
        granter.grant(9, third, 4);
        assertCopyIsWaitedFor(third, 10);
        assertEquals(List.of(), granter.table.save().mappings());
    }

    private void assertCopyIsWaitedFor(FakeDomain to, int ref) throws InterruptedException {
        List<Boolean> held = new ArrayList<>();
        List<GrantTableState.Mapped> mapped = new ArrayList<>();
        to.table.observe(
                new GrantObserver() {
                    @Override
                    public void begun(int ref, int by, boolean isCopy) {
                        mapped.addAll(to.table.save().mappings());
                        try {
                            held.add(to.table.hold(Duration.ofMillis(1)));
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        }
                    }

                    @Override
                    public void ended(int ref) {}
                });
        assertEquals(GrantStatus.OKAY, copyTo(to, ref));
        to.table.observe(null);
        assertEquals(List.of(false), held);
        assertEquals(List.of(), mapped);
        assertTrue(to.table.hold(LIMIT));
        to.table.release();
    }

    @Test
    void aHoldKeepsExistingMappings() throws InterruptedException {
        granter.grant(9, other, 4);
        assertEquals(GrantStatus.OKAY, map(9));
        assertTrue(granter.table.hold(LIMIT));
        assertEquals(1, granter.table.save().mappings().size());
        assertEquals(GrantStatus.OKAY, MapResult.unmap(other.table, AT, result.handle()));
        assertFalse(granter.table.isPinned(granter.mfn(4)));
    }
}
