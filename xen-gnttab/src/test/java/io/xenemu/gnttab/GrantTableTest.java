package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// The table as such: size, versions, whose it is, and what a new domain finds in it.
final class GrantTableTest {
    private static final long STATUS = 0x8000_0000L;

    private final FakeDomains domains = new FakeDomains();
    private final FakeDomain domain = domains.add(3);
    private final FakeDomain other = domains.add(2);
    private final GrantTable table = domain.table;

    @AfterEach
    void free() {
        domains.close();
    }

    private static void assertFails(XenError expected, Executable operation) {
        assertSame(expected, assertThrows(XenError.class, operation));
    }

    @Test
    void aNewTableHasOneFrameOfVersionOne() throws XenError {
        assertEquals(1, table.frames());
        assertEquals(0, table.statusFrames());
        assertEquals(64, table.limits().maxGrantFrames());
        assertEquals(1, table.getVersion(DomId.SELF));
    }

    @Test
    void askingForAFrameGrowsTheTableToIt() throws XenError {
        assertEquals(new TableFrame(false, 3), table.frame(3));
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
        assertFails(XenError.EINVAL, () -> table.frame(STATUS));
        assertFails(XenError.EINVAL, () -> table.frame(1L << 32));
        assertEquals(1, table.frames());
    }

    @Test
    void statusFramesGrowTheTableToo() throws XenError {
        table.setVersion(2);
        assertEquals(1, table.statusFrames());
        assertEquals(new TableFrame(true, 0), table.frame(STATUS));
        assertEquals(1, table.frames(), "one status frame goes with up to 8 frames");
        assertEquals(new TableFrame(true, 2), table.frame(STATUS | 2));
        assertEquals(24, table.frames());
        assertEquals(3, table.statusFrames());
        table.frame(32);
        assertEquals(5, table.statusFrames());
        assertFails(XenError.EINVAL, () -> table.frame(STATUS | 8));
        assertFails(XenError.EINVAL, () -> table.frame(1L << 32 | STATUS));
    }

    @Test
    void anExistingStatusFrameIsGivenEvenIfItsGrantFramesExceedTheLimit() throws XenError {
        FakeDomain small = domains.add(7, new GrantLimits(9, 1, 2));
        small.table.setVersion(2);
        assertEquals(new TableFrame(true, 0), small.table.frame(STATUS));
        assertFails(XenError.EINVAL, () -> small.table.frame(STATUS | 1));
        small.table.frame(8);
        assertEquals(new TableFrame(true, 1), small.table.frame(STATUS | 1));
    }

    @Test
    void setupTableGrowsUpToTheLimit() {
        assertEquals(GrantStatus.OKAY, table.setupTable(DomId.SELF, 0));
        assertEquals(GrantStatus.OKAY, table.setupTable(domain.id, 64));
        assertEquals(64, table.frames());
        assertEquals(GrantStatus.GENERAL_ERROR, table.setupTable(DomId.SELF, 65));
        assertEquals(GrantStatus.GENERAL_ERROR, table.setupTable(DomId.SELF, -1));
        assertEquals(GrantStatus.PERMISSION_DENIED, table.setupTable(other.id, 1));
        assertEquals(GrantStatus.PERMISSION_DENIED, table.setupTable(DomId.DOM0, 1));
        assertEquals(GrantStatus.BAD_DOMAIN, table.setupTable(new DomId(9), 1));
    }

    @Test
    void limitsOutOfRangeAreRefused() {
        int largest = GrantLimits.LARGEST_MAX_FRAMES;
        assertThrows(IllegalArgumentException.class, () -> new GrantLimits(0, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new GrantLimits(largest + 1, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new GrantLimits(1, -1, 1));
        assertThrows(IllegalArgumentException.class, () -> new GrantLimits(1, 65537, 1));
        assertThrows(IllegalArgumentException.class, () -> new GrantLimits(1, 1, 3));
    }

    @Test
    void theLastEntryOfTheLargestTableCanBeGranted() throws XenError {
        FakeDomain large = domains.add(7, new GrantLimits(GrantLimits.LARGEST_MAX_FRAMES, 1, 2));
        large.table.frame(GrantLimits.LARGEST_MAX_FRAMES - 1);
        int last = GrantLimits.LARGEST_MAX_FRAMES * V1Entries.PER_PAGE - 1;
        large.grant(last, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        GrantMapping mapping = new GrantMapping();
        GrantRef ref = new GrantRef(last);
        assertEquals(GrantStatus.OKAY, large.table.backend().map(ref, DomId.DOM0, false, mapping));
        assertEquals(large.ram.address() + 5 * 4096, mapping.page().address());
    }

    @Test
    void queriesOfOtherDomainsTablesAreRefused() {
        assertEquals(GrantStatus.OKAY, table.querySize(DomId.SELF));
        assertEquals(GrantStatus.OKAY, table.querySize(domain.id));
        assertEquals(GrantStatus.PERMISSION_DENIED, table.querySize(other.id));
        assertEquals(GrantStatus.BAD_DOMAIN, table.querySize(new DomId(9)));
        assertFails(XenError.EPERM, () -> table.getVersion(other.id));
        assertFails(XenError.EPERM, () -> table.getVersion(DomId.DOM0));
        assertFails(XenError.ESRCH, () -> table.getVersion(new DomId(9)));
    }

    @Test
    void setVersionRefusesUnknownVersions() throws XenError {
        table.setVersion(1);
        assertFails(XenError.EINVAL, () -> table.setVersion(0));
        assertFails(XenError.EINVAL, () -> table.setVersion(3));
        FakeDomain limited = domains.add(7, new GrantLimits(1, 1, 1));
        assertFails(XenError.ENOSYS, () -> limited.table.setVersion(2));
        assertEquals(1, limited.table.version());
    }

    @Test
    void changingTheVersionClearsAllButTheReservedEntries() throws XenError {
        domain.grant(1, Gtf.PERMIT_ACCESS | Gtf.READONLY, DomId.DOM0, 7);
        domain.grant(8, Gtf.PERMIT_ACCESS, DomId.DOM0, 8);
        table.setVersion(2);
        assertEquals(2, table.getVersion(DomId.SELF));
        assertEquals(Gtf.PERMIT_ACCESS | Gtf.READONLY, domain.flags(1));
        assertEquals(0, domain.flags(8));
        GrantMapping mapping = new GrantMapping();
        assertEquals(
                GrantStatus.OKAY, table.backend().map(new GrantRef(1), DomId.DOM0, true, mapping));
        assertEquals(domain.ram.address() + 7 * 4096, mapping.page().address());
        assertEquals(Gtf.READING, domain.inUse(1));
        table.setVersion(1);
        assertEquals(1, domain.statusRemovals);
        assertEquals(0, table.statusFrames());
        assertEquals(Gtf.READING, domain.inUse(1), "in use over the change");
        assertEquals(Gtf.PERMIT_ACCESS | Gtf.READONLY, domain.flags(1));
        table.backend().unmap(mapping);
        assertEquals(0, domain.inUse(1));
    }

    @Test
    void theVersionStaysWhileAnotherEntryIsInUse() throws XenError {
        domain.grant(8, Gtf.PERMIT_ACCESS, DomId.DOM0, 8);
        GrantMapping mapping = new GrantMapping();
        table.backend().map(new GrantRef(8), DomId.DOM0, true, mapping);
        assertFails(XenError.EBUSY, () -> table.setVersion(2));
        assertEquals(1, table.version());
        assertEquals(Gtf.PERMIT_ACCESS, domain.flags(8));
        table.backend().unmap(mapping);
        table.setVersion(2);
    }

    @Test
    void reservedEntriesThatVersionOneCannotExpressAreErange() throws XenError {
        table.setVersion(2);
        domain.grantTransitive(3, 0, other.id, DomId.DOM0, 1);
        assertFails(XenError.ERANGE, () -> table.setVersion(1));
        domain.grant(3, Gtf.PERMIT_ACCESS, other.id, 1L << 32);
        assertFails(XenError.ERANGE, () -> table.setVersion(1));
        domain.grant(3, 2, other.id, 1L << 32);
        table.setVersion(1);
        assertEquals(0, domain.flags(3), "what is no grant of a page becomes invalid");
    }

    @Test
    void changeToVersionOneJoinsFlagsAndStatusWordsAsXenDoes() throws XenError {
        table.setVersion(2);
        domain.grant(3, Gtf.PERMIT_ACCESS, other.id, 5);
        domain.statusMemory.set(ValueLayout.JAVA_SHORT, 2 * 3, (short) 6);
        table.setVersion(1);
        assertEquals(7, domain.flags(3), "as Xen joins the two");
    }

    @Test
    void versionTwoHasHalfAsManyEntriesInAFrame() throws XenError {
        table.setVersion(2);
        GrantMapping mapping = new GrantMapping();
        assertEquals(
                GrantStatus.GENERAL_ERROR,
                table.backend().map(new GrantRef(255), DomId.DOM0, true, mapping));
        assertEquals(
                GrantStatus.BAD_GNTREF,
                table.backend().map(new GrantRef(256), DomId.DOM0, true, mapping));
    }

    @Test
    void swapExchangesUnusedEntries() throws XenError {
        for (int version = 1; version <= 2; version++) {
            table.setVersion(version);
            domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
            domain.grant(10, Gtf.PERMIT_ACCESS | Gtf.READONLY, DomId.DOM0, 6);
            assertEquals(GrantStatus.OKAY, swap(9, 10));
            assertEquals(Gtf.PERMIT_ACCESS | Gtf.READONLY, domain.flags(9));
            assertEquals(Gtf.PERMIT_ACCESS, domain.flags(10));
            GrantMapping mapping = new GrantMapping();
            table.backend().map(new GrantRef(10), DomId.DOM0, true, mapping);
            assertEquals(domain.ram.address() + 5 * 4096, mapping.page().address());
            assertEquals(GrantStatus.EAGAIN, swap(9, 10));
            assertEquals(GrantStatus.EAGAIN, swap(10, 9));
            assertEquals(GrantStatus.OKAY, swap(10, 10), "with itself, in use or not");
            table.backend().unmap(mapping);
            assertEquals(GrantStatus.BAD_GNTREF, swap(9, 512));
            assertEquals(GrantStatus.BAD_GNTREF, swap(-1, 9));
        }
    }

    private GrantStatus swap(int a, int b) {
        return table.swapGrantRef(new GrantRef(a), new GrantRef(b));
    }

    @Test
    void theToolstackSeedsReservedReferences() {
        table.seed(GrantRef.XENSTORE, DomId.DOM0, 7);
        GrantMapping mapping = new GrantMapping();
        assertEquals(
                GrantStatus.OKAY,
                table.backend().map(GrantRef.XENSTORE, DomId.DOM0, false, mapping));
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
    void operationsAreCountedByResult() {
        GrantMapping mapping = new GrantMapping();
        table.backend().map(new GrantRef(9), DomId.DOM0, true, mapping);
        domain.grant(9, Gtf.PERMIT_ACCESS, DomId.DOM0, 5);
        table.backend().map(new GrantRef(9), DomId.DOM0, true, mapping);
        assertEquals(1, domains.count(3, "backend_map", "OK"));
        assertEquals(1, domains.count(3, "backend_map", "GENERAL_ERROR"));
        assertEquals(
                1, domains.registry.get("xen.gnttab.mappings").tag("domain", "3").gauge().value());
        assertEquals(
                1, domains.registry.get("xen.gnttab.frames").tag("domain", "3").gauge().value());
        domains.kill(domain);
        assertTrue(domains.registry.find("xen.gnttab.ops").tag("domain", "3").meters().isEmpty());
    }
}
