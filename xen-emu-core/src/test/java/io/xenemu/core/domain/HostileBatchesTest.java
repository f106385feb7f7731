package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// An operator pauses, resumes and ends a guest whose vCPUs attack each other's batches.
@Timeout(120)
final class HostileBatchesTest {
    private static final int VCPUS = 3;
    private static final int DOMAINS = 6;
    private static final int PAUSES = 60;

    /// Elements of batches that end soon.
    private static final int SHORT = 100;

    /// Far above the time of a pause on a loaded machine, and below [Quiescence#LIMIT].
    private static final Duration PAUSE_LIMIT = Duration.ofSeconds(8);

    private static final int END_SECONDS = 30;

    @Test
    void pausesAndTheEndAreTimelyAndOtherDomainsGoOn() throws Exception {
        HostileVcpu beside = new HostileVcpu(1 + 1, SHORT);
        try (TestDomain other = new TestDomain(1 + 1, beside);
                ExecutorService ending = Executors.newSingleThreadExecutor()) {
            beside.runIn(other);
            other.domain().start();
            for (int i = 0; i < DOMAINS; i++) {
                attack(new Random(i), ending);
                long before = beside.calls();
                Eventually.holds(
                        "another domain makes calls",
                        () -> {
                            letGo(other.domain());
                            return beside.calls() != before;
                        });
            }
            assertNull(other.domain().shutdownLatch().get());
        }
    }

    private static void attack(Random random, ExecutorService ending) throws Exception {
        HostileVcpu guest = new HostileVcpu(VCPUS, Integer.MAX_VALUE);
        try (TestDomain test = new TestDomain(VCPUS, guest)) {
            Domain domain = test.domain();
            guest.runIn(test);
            if (random.nextBoolean()) {
                domain.pause();
                domain.start();
                // The threads may not run yet.
                letGo(domain);
                assertTrue(domain.unpause());
            } else {
                domain.start();
            }
            for (int i = 0; i < PAUSES; i++) {
                long begun = System.nanoTime();
                domain.pause();
                Duration took = Duration.ofNanos(System.nanoTime() - begun);
                assertTrue(took.compareTo(PAUSE_LIMIT) < 0, () -> "a pause took " + took);
                long parked = guest.calls();
                for (Vcpu vcpu : domain.vcpus()) {
                    assertTrue(vcpu.awaitParked(System.nanoTime()), vcpu + " is not parked");
                }
                assertEquals(parked, guest.calls(), "calls of parked vCPUs");
                assertTrue(domain.unpause());
                letGo(domain);
                if (random.nextBoolean()) {
                    Eventually.holds(
                            "its last vCPU goes on",
                            () -> {
                                letGo(domain);
                                return !domain.vcpus().getLast().awaitParked(System.nanoTime());
                            });
                }
            }
            assertNull(domain.shutdownLatch().get());
            // In the middle of batches.
            assertNull(
                    ending.submit(() -> domain.stop(ShutdownReason.DESTROYED))
                            .get(END_SECONDS, TimeUnit.SECONDS));
        }
    }

    /// Resumes a guest that has suspended itself, and puts its vCPUs up that have put each other down.
    private static void letGo(Domain domain) throws XenError {
        if (domain.suspension().isSuspended()) {
            domain.suspension().cancel();
        }
        for (Vcpu vcpu : domain.vcpus()) {
            if (vcpu.isInitialised()) {
                vcpu.up();
            }
        }
    }
}
