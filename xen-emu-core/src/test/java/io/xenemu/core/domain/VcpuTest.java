package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The end of a domain after a vCPU's thread has failed.
@Timeout(60)
final class VcpuTest {
    private static final long MILLIS = 30_000;

    static Stream<Arguments> failures() {
        return Stream.of(
                Arguments.of(new KvmException("KVM_RUN", Errno.EFAULT), ShutdownReason.HOST_ERROR),
                Arguments.of(new OutOfMemoryError("heap"), ShutdownReason.HOST_ERROR),
                Arguments.of(new StackOverflowError("depth"), ShutdownReason.HOST_ERROR),
                Arguments.of(new IllegalStateException("bug"), ShutdownReason.CRASH),
                Arguments.of(new AssertionError("bug"), ShutdownReason.CRASH));
    }

    @ParameterizedTest
    @MethodSource("failures")
    void failureOfAVcpuStopsTheDomain(Throwable failure, ShutdownReason reason)
            throws BootException, XenError, InterruptedException {
        try (TestDomain guest = new TestDomain(1, vcpu -> fail(failure))) {
            guest.domain().start();

            ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().await(MILLIS);

            assertNotNull(outcome);
            assertEquals(reason, outcome.reason());
            assertTrue(outcome.message().contains(String.valueOf(failure.getMessage())));
        }
    }

    /// Later steps, such as detaching devices, find no running vCPU.
    @Test
    void stopWaitsForTheVcpus() throws BootException, XenError {
        AtomicBoolean working = new AtomicBoolean(true);
        try (TestDomain guest =
                new TestDomain(
                        1,
                        vcpu -> {
                            while (!vcpu.isStopping()) {
                                Thread.onSpinWait();
                            }
                            LockSupport.parkNanos(200_000_000);
                            working.set(false);
                        })) {
            guest.domain().start();

            guest.domain().stop(ShutdownReason.DESTROYED);

            assertEquals(false, working.get());
        }
    }

    @Test
    void everyRequestIsAnnouncedToTheExitLoopOnce() throws BootException, XenError {
        try (TestDomain guest = new TestDomain(1, vcpu -> {})) {
            Vcpu vcpu = guest.domain().vcpus().getFirst();
            assertFalse(vcpu.takeRequest());
            List<Runnable> requests = List.of(vcpu::wake, vcpu::checkBeforeEntry, vcpu::stop);
            for (Runnable request : requests) {
                request.run();
                assertTrue(vcpu.takeRequest());
                assertFalse(vcpu.takeRequest());
            }
        }
    }

    private static void fail(Throwable failure) {
        switch (failure) {
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalArgumentException(failure);
        }
    }
}
