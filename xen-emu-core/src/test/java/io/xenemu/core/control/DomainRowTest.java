package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Rows of a domain whose vCPUs' threads serve no calls. A list that needed these threads would hang.
@Timeout(60)
final class DomainRowTest {
    private static final int STATE = 63;

    private final AtomicBoolean busy = new AtomicBoolean(true);

    private static String row(TestDomain test) {
        List<String> rows = DomainRow.table(List.of(DomainRow.of(test.domain())));
        assertEquals(2, rows.size());
        assertTrue(rows.get(0).startsWith("Name "), rows.get(0));
        assertTrue(
                rows.get(1).matches("test +1 +\\d+ +2     [rbpscd-]{6} +\\d+\\.\\d"), rows.get(1));
        return rows.get(1);
    }

    private static String state(TestDomain test) {
        return row(test).substring(STATE, STATE + 6);
    }

    private static double seconds(TestDomain test) {
        return Double.parseDouble(row(test).substring(STATE + 6).strip());
    }

    /// One vCPU works while it has to, and then sleeps, as the other does from the beginning.
    private void work(Vcpu vcpu) {
        while (!vcpu.isStopping()) {
            if (vcpu.id().value() == 0 && busy.get()) {
                Thread.onSpinWait();
            } else {
                LockSupport.park(this);
            }
        }
    }

    private static void awaitState(TestDomain test, String state) throws InterruptedException {
        Eventually.holds("state " + state, () -> state(test).equals(state));
    }

    @Test
    void stateAndTimeAreThoseOfTheVcpusThreads()
            throws BootException, XenError, InterruptedException {
        try (TestDomain test = new TestDomain(2, this::work)) {
            test.domain().start();
            awaitState(test, "r-----");
            Eventually.holds("0.2 s of CPU time", () -> seconds(test) >= 0.2);
            busy.set(false);
            awaitState(test, "-b----");
            double used = seconds(test);
            Thread.sleep(500);
            assertEquals(used, seconds(test), 0.1);

            test.domain().shutdown(ShutdownReason.CRASH, "");
            awaitState(test, "---sc-");
            assertEquals(used, seconds(test), 0.1);
        }
    }

    @Test
    void destroyedDomainIsDying() throws BootException, XenError {
        try (TestDomain test = new TestDomain(2)) {
            test.domain().pause();
            assertEquals("--p---", state(test));
            test.domain().shutdown(ShutdownReason.DESTROYED, "");
            assertEquals("-----d", state(test));
        }
    }
}
