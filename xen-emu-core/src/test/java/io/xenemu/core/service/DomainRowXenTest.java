package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs a KVM with Xen support, which has the vCPUs' times.
@Timeout(60)
class DomainRowXenTest {
    private static String state(TestDomain test) {
        List<String> rows = DomainRow.table(test.domain());
        assertEquals(2, rows.size());
        assertTrue(rows.get(0).startsWith("Name "), rows.get(0));
        assertTrue(
                rows.get(1).matches("test +1 +\\d+ +2     [rbpscd-]{6} +\\d+\\.\\d"), rows.get(1));
        return rows.get(1).substring(63, 69);
    }

    @Test
    void rowIsAsXls() throws BootException, XenError {
        try (TestDomain test = TestDomain.withXen(2)) {
            assertTrue(state(test).matches("r-----|-b----"), state(test));
            test.domain().pause();
            assertEquals("--p---", state(test));
            assertTrue(test.domain().unpause());
            test.domain().shutdown(ShutdownReason.CRASH, "");
            assertEquals("---sc-", state(test));
        }
        try (TestDomain test = TestDomain.withXen(2)) {
            test.domain().shutdown(ShutdownReason.DESTROYED, "");
            assertEquals("-----d", state(test));
        }
    }
}
