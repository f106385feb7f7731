package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.ValueLayout;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Copies between the pages of three domains. Each page's first word is its domain's id times 100 plus its frame.
final class GrantCopyTest {
    private static final int PAGE = 4096;

    private final FakeDomains domains = new FakeDomains();
    private final FakeDomain caller = domains.add(1);
    private final FakeDomain granter = domains.add(2);
    private final FakeDomain third = domains.add(3);
    private final GrantCopy copy = caller.table.newCopy();

    @BeforeEach
    void fill() throws XenError {
        granter.table.setVersion(2);
        third.table.setVersion(2);
        for (int gfn = 0; gfn < FakeDomain.RAM_PAGES; gfn++) {
            caller.setWord(gfn, 100 + gfn);
            granter.setWord(gfn, 200 + gfn);
            third.setWord(gfn, 300 + gfn);
        }
    }

    @AfterEach
    void free() {
        domains.close();
    }

    private GrantStatus refToFrame(int ref, int gfn, int length) {
        copy.from(granter.id, true, ref, 0);
        copy.to(DomId.SELF, false, gfn, 0);
        return copy.run(length);
    }

    private GrantStatus frameToRef(int gfn, int ref, int length) {
        copy.from(DomId.SELF, false, gfn, 0);
        copy.to(granter.id, true, ref, 0);
        return copy.run(length);
    }

    @Test
    void copyWorksBetweenOwnAndGrantedPagesInAnyCombination() {
        granter.grant(9, caller, 4);
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, PAGE));
        assertEquals(204, caller.word(5));
        assertEquals(GrantStatus.OKAY, frameToRef(6, 9, PAGE));
        assertEquals(106, granter.word(4));
        third.grant(10, caller, 7);
        copy.from(granter.id, true, 9, 0);
        copy.to(third.id, true, 10, 0);
        assertEquals(GrantStatus.OKAY, copy.run(4));
        assertEquals(106, third.word(7));
        copy.from(DomId.SELF, false, 6, 0);
        copy.to(DomId.SELF, false, 8, 0);
        assertEquals(GrantStatus.OKAY, copy.run(4));
        assertEquals(106, caller.word(8));
        assertEquals(0, granter.inUse(9));
        assertEquals(0, third.inUse(10));
        assertEquals(4, domains.count(1, "copy", "OK"));
        assertEquals(
                2 * PAGE + 8,
                domains.registry.get("xen.gnttab.copied").tag("domain", "1").counter().count());
    }

    @Test
    void pagesThatWereCopiedToAreTold() {
        granter.grant(9, caller, 4);
        third.grant(10, caller, 7);
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, PAGE));
        assertEquals(Set.of(5L), caller.written);
        assertEquals(Set.of(), granter.written);
        copy.from(granter.id, true, 9, 0);
        copy.to(third.id, true, 10, 0);
        assertEquals(GrantStatus.OKAY, copy.run(4));
        assertEquals(Set.of(7L), third.written);
        assertEquals(Set.of(), granter.written);
    }

    @Test
    void pageBehindATransitiveGrantIsTold() {
        third.grant(10, granter, 7);
        granter.grantTransitive(9, 0, caller.id, third.id, 10);
        assertEquals(GrantStatus.OKAY, frameToRef(6, 9, PAGE));
        assertEquals(Set.of(7L), third.written);
        assertEquals(Set.of(), granter.written);
    }

    @Test
    void aDomainMayCopyItsOwnGrants() {
        caller.grant(9, caller, 4);
        copy.from(DomId.SELF, true, 9, 0);
        copy.to(caller.id, true, 9, 8);
        assertEquals(GrantStatus.OKAY, copy.run(4));
        assertEquals(104, caller.ram.get(ValueLayout.JAVA_INT, 4 * PAGE + 8));
    }

    @Test
    void pagesOfOthersCannotBeNamedByFrame() {
        granter.grant(9, caller, 4);
        copy.from(granter.id, false, 4, 0);
        copy.to(DomId.SELF, false, 5, 0);
        assertEquals(GrantStatus.PERMISSION_DENIED, copy.run(4));
        copy.from(caller.id, false, 4, 0);
        assertEquals(GrantStatus.PERMISSION_DENIED, copy.run(4), "not even one's own");
        copy.from(granter.id, true, 9, 0);
        copy.to(new DomId(9), false, 5, 0);
        assertEquals(GrantStatus.PERMISSION_DENIED, copy.run(4));
        copy.to(new DomId(9), true, 5, 0);
        assertEquals(GrantStatus.BAD_DOMAIN, copy.run(4));
        copy.from(new DomId(9), true, 5, 0);
        assertEquals(GrantStatus.BAD_DOMAIN, copy.run(4));
    }

    /// CVE-2026-102703 and 102704: what was checked for one element of a batch says nothing of the next.
    @Test
    void cve2026102703Cve2026102704EachElementIsCheckedAnew() {
        granter.grant(9, caller, 4);
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, 4));
        for (int frame : new int[] {4, 9}) {
            copy.from(granter.id, false, frame, 0);
            assertEquals(GrantStatus.PERMISSION_DENIED, copy.run(4));
        }
        granter.grant(9, caller, 6);
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, 4));
        assertEquals(206, caller.word(5));
        granter.grant(9, Gtf.PERMIT_ACCESS | Gtf.READONLY, caller.id, 6);
        assertEquals(GrantStatus.GENERAL_ERROR, frameToRef(5, 9, 4));
        granter.grant(9, third, 6);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4));
        third.grant(9, caller, 7);
        copy.from(third.id, true, 9, 0);
        assertEquals(GrantStatus.OKAY, copy.run(4));
        assertEquals(307, caller.word(5));
        assertEquals(0, granter.inUse(9));
    }

    @Test
    void pagesWithoutAGrantAreNotCopied() {
        granter.grant(9, third, 4);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4));
        granter.grant(9, Gtf.PERMIT_ACCESS | Gtf.READONLY, caller.id, 4);
        assertEquals(GrantStatus.GENERAL_ERROR, frameToRef(5, 9, 4));
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, 4));
        assertEquals(GrantStatus.BAD_GNTREF, refToFrame(256, 5, 4));
        assertEquals(GrantStatus.BAD_PAGE, refToFrame(9, FakeDomain.RAM_PAGES, 4));
        assertEquals(GrantStatus.BAD_PAGE, frameToRef(FakeDomain.RAM_PAGES, 9, 4));
        granter.grant(9, caller, FakeDomain.RAM_PAGES);
        assertEquals(GrantStatus.BAD_PAGE, refToFrame(9, 5, 4));
        assertEquals(0, granter.inUse(9));
        assertEquals(204, caller.word(5));
    }

    @Test
    void nothingIsCopiedAcrossTheEndOfAPage() {
        granter.grant(9, caller, 4);
        assertEquals(GrantStatus.BAD_COPY_ARG, refToFrame(9, 5, PAGE + 1));
        copy.from(granter.id, true, 9, PAGE - 4);
        copy.to(DomId.SELF, false, 5, PAGE - 4);
        assertEquals(GrantStatus.OKAY, copy.run(4));
        assertEquals(GrantStatus.BAD_COPY_ARG, copy.run(5));
        copy.to(DomId.SELF, false, 5, 0xffff);
        assertEquals(GrantStatus.BAD_COPY_ARG, copy.run(1));
    }

    @Test
    void copyOfNoBytesSucceedsWithoutChecks() {
        copy.from(new DomId(77), true, -1, 0xffff);
        copy.to(DomId.DOM0, false, -1, 0xffff);
        assertEquals(GrantStatus.OKAY, copy.run(0));
    }

    @Test
    void pageThatTheCallerHasMappedFromAnotherIsBad() {
        third.grant(9, caller, 1);
        assertEquals(
                GrantStatus.OKAY,
                MapResult.map(caller.table, 7 * PAGE, 2, 9, third.id, new MapResult()));
        copy.from(DomId.SELF, false, 7, 0);
        copy.to(DomId.SELF, false, 5, 0);
        assertEquals(GrantStatus.BAD_PAGE, copy.run(4));
    }

    @Test
    void aPartOfAPageIsCopiedWithinItsBounds() {
        granter.grantPart(9, Gtf.PERMIT_ACCESS | Gtf.SUB_PAGE, caller.id, 4, 100, 8);
        assertEquals(GrantStatus.GENERAL_ERROR, part(9, 99, 1));
        assertEquals(GrantStatus.GENERAL_ERROR, part(9, 100, 9));
        assertEquals(GrantStatus.GENERAL_ERROR, part(9, 108, 1));
        assertEquals(GrantStatus.OKAY, part(9, 100, 8));
        assertEquals(GrantStatus.OKAY, part(9, 104, 4));
        granter.grantPart(9, Gtf.PERMIT_ACCESS | Gtf.SUB_PAGE, caller.id, 4, 0, 0);
        assertEquals(GrantStatus.GENERAL_ERROR, part(9, 0, 1));
        assertEquals(GrantStatus.OKAY, part(9, 0, 0));
        assertEquals(0, granter.inUse(9));
    }

    private GrantStatus part(int ref, int offset, int length) {
        copy.from(DomId.SELF, false, 5, 0);
        copy.to(granter.id, true, ref, offset);
        return copy.run(length);
    }

    @Test
    void versionOneHasNoPartsAndNothingTransitive() throws XenError {
        granter.table.setVersion(1);
        granter.grant(9, Gtf.PERMIT_ACCESS | Gtf.SUB_PAGE, caller.id, 4);
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, PAGE));
        assertEquals(204, caller.word(5));
        granter.grant(9, Gtf.TRANSITIVE, caller.id, 4);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4));
    }

    @Test
    void aTransitiveGrantReachesThePageBehindIt() {
        third.grant(20, granter, 7);
        granter.grantTransitive(9, 0, caller.id, third.id, 20);
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, PAGE));
        assertEquals(307, caller.word(5));
        assertEquals(GrantStatus.OKAY, frameToRef(6, 9, PAGE));
        assertEquals(106, third.word(7));
        assertEquals(0, granter.inUse(9));
        assertEquals(0, third.inUse(20));
    }

    @Test
    void aTransitiveGrantHasNoMoreRightsThanTheGrantBehindIt() {
        granter.grantTransitive(9, 0, caller.id, third.id, 20);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4), "nothing behind");
        third.grant(20, caller, 7);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4), "not to the one between");
        third.grant(20, Gtf.PERMIT_ACCESS | Gtf.READONLY, granter.id, 7);
        assertEquals(GrantStatus.GENERAL_ERROR, frameToRef(5, 9, 4));
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, 4));
        third.grantPart(20, Gtf.PERMIT_ACCESS | Gtf.SUB_PAGE, granter.id, 7, 8, 8);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4));
        granter.grantTransitive(9, Gtf.READONLY, caller.id, third.id, 20);
        assertEquals(GrantStatus.GENERAL_ERROR, part(9, 8, 4), "itself read-only");
        granter.grantTransitive(9, 0, caller.id, third.id, 300);
        assertEquals(GrantStatus.BAD_GNTREF, refToFrame(9, 5, 4));
        granter.grantTransitive(9, 0, caller.id, new DomId(9), 20);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4), "no such domain");
        assertEquals(0, granter.inUse(9));
        assertEquals(0, third.inUse(20));
    }

    @Test
    void transitiveGrantsDoNotChainNorLoop() {
        caller.setWord(0, 100);
        third.grantTransitive(20, 0, granter.id, granter.id, 9);
        granter.grantTransitive(9, 0, caller.id, third.id, 20);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4));
        granter.grantTransitive(9, 0, caller.id, granter.id, 10);
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4));
        assertEquals(0, granter.inUse(9));
        assertEquals(0, third.inUse(20));
    }

    @Test
    void aCopyThatFailsKeepsTheFlagsOfAnotherUse() {
        third.grant(20, granter, 7);
        granter.grantTransitive(9, 0, caller.id, third.id, 20);
        // While the page behind is looked up, the guest makes another vCPU's copy fail.
        third.onLookup =
                () -> {
                    granter.grantTransitive(9, 0, caller.id, new DomId(9), 20);
                    assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4));
                    assertEquals(0, granter.inUse(9));
                    granter.grantTransitive(9, 0, caller.id, third.id, 20);
                };
        Pins pins = granter.table.pins();
        assertEquals(GrantStatus.OKAY, pins.acquire(9, caller.id.value(), true, true));
        assertEquals(Gtf.READING, granter.inUse(9));
        pins.unpin(9, true);
        assertEquals(0, granter.inUse(9));
    }

    @Test
    void aGrantRevokedWhileThePageBehindItIsLookedUpIsNotUsed() {
        third.grant(20, granter, 7);
        granter.grantTransitive(9, 0, caller.id, third.id, 20);
        third.onLookup = () -> granter.grant(9, 0, caller.id, 0);
        // The status word told the guest that it was in use: it may not do so, and finds out.
        assertEquals(GrantStatus.GENERAL_ERROR, refToFrame(9, 5, 4));
        assertEquals(0, granter.inUse(9));
        assertEquals(0, third.inUse(20));
    }

    @Test
    void aTransitiveGrantMayLeadBackToTheCaller() {
        caller.grant(11, granter, 8);
        granter.grantTransitive(9, 0, caller.id, caller.id, 11);
        assertEquals(GrantStatus.OKAY, refToFrame(9, 5, 4));
        assertEquals(108, caller.word(5));
        assertEquals(0, caller.inUse(11));
    }

    @Test
    void aTransitiveGrantCannotBeMappedEvenWhileItIsCopied() {
        third.grant(20, granter, 7);
        granter.grantTransitive(9, 0, caller.id, third.id, 20);
        Pins pins = granter.table.pins();
        assertEquals(GrantStatus.OKAY, pins.acquire(9, caller.id.value(), true, true));
        assertEquals(GrantStatus.GENERAL_ERROR, pins.pin(9, caller.id.value(), true));
        granter.grant(9, caller, 4);
        assertEquals(GrantStatus.GENERAL_ERROR, pins.pin(9, caller.id.value(), true));
        assertEquals(
                GrantStatus.BAD_DOMAIN,
                pins.acquire(9, caller.id.value(), true, true),
                "no longer transitive");
        assertEquals(Gtf.READING, third.inUse(20));
        pins.unpin(9, true);
        assertEquals(0, third.inUse(20));
        assertEquals(0, granter.inUse(9));
        assertEquals(GrantStatus.OKAY, pins.pin(9, caller.id.value(), true));
        pins.unpin(9, true);
    }
}
