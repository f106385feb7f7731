package io.xenemu.it.lab;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.lab.LabException;
import io.xenemu.core.lab.OfflineException;
import java.lang.reflect.Method;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.opentest4j.TestAbortedException;

/// What becomes of a lab test whose package cannot be had, or whose machine hung.
final class LabExtensionTest {
    private final OfflineException offline =
            new OfflineException("cannot get package grub-xen-host: no network");

    @Test
    void testIsSkippedWithItsReasonWithoutANetwork() {
        Throwable end = LabExtension.verdict(offline, false, "a test");

        assertInstanceOf(TestAbortedException.class, end);
        assertEquals(offline.getMessage(), end.getMessage());
    }

    @Test
    void testFailsWithoutANetworkWhereTheLabIsRequired() {
        assertSame(offline, LabExtension.verdict(offline, true, "a test"));
    }

    @Test
    void packageThatDebianDoesNotHaveIsAFailure() {
        LabException missing = new LabException("no package linux-7 in Debian bookworm");

        assertSame(missing, LabExtension.verdict(missing, false, "a test"));
    }

    @Test
    void failureHasTheHangOfItsMachine() {
        LabException hang = new LabException("the lab machine hangs");
        AssertionError failure = new AssertionError("status 255");

        LabExtension.explain(failure, Optional.of(hang));

        assertArrayEquals(new Throwable[] {hang}, failure.getSuppressed());
    }

    @Test
    void hangItselfIsLeftAsItIs() {
        LabException hang = new LabException("the lab machine hangs");

        LabExtension.explain(hang, Optional.of(hang));

        assertEquals(0, hang.getSuppressed().length);
    }

    @Test
    void testOfAClassWithFixturesFailsIfItsMachineHung() {
        LabException hang = new LabException("the lab machine hangs");

        IllegalStateException failure =
                assertThrows(
                        IllegalStateException.class,
                        () -> LabExtension.requireSame(Optional.of(hang), "a test"));

        assertEquals(
                "a test cannot begin: its class was made with a machine that hung",
                failure.getMessage());
        assertSame(hang, failure.getCause());
    }

    @Test
    void onlyATestOfOneInstanceForAllHasFixtures() throws Exception {
        Optional<Method> test =
                Optional.of(
                        LabExtensionTest.class.getDeclaredMethod(
                                "onlyATestOfOneInstanceForAllHasFixtures"));
        Optional<TestInstance.Lifecycle> one = Optional.of(TestInstance.Lifecycle.PER_CLASS);

        assertTrue(LabExtension.hasFixtures(test, one));
        assertFalse(LabExtension.hasFixtures(test, Optional.of(TestInstance.Lifecycle.PER_METHOD)));
        assertFalse(LabExtension.hasFixtures(Optional.empty(), one));
    }
}
