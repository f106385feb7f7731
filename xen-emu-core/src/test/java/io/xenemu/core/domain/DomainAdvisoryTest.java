package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.timer.DomainTimers;
import io.xenemu.core.timer.PeriodicTimer;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The attacks of Xen's security advisories on the memory and the timers of a domain fail here. Each has one method,
/// named after the advisory.
///
/// XSA-410 is about the end of a domain as well, where Xen freed all its page tables at once: KVM's are not ours to
/// free.
@Timeout(120)
final class DomainAdvisoryTest {
    private static final int ROUNDS = 2000;
    private static final int SECONDS = 60;
    private static final int MEMORY_OP = 12;
    private static final int SELF = 0x7ff0;
    private static final long ARG = TestDomain.ARGUMENT;
    private static final long STATUS_INDEX = 0x8000_0000L;
    private static final long GFN = 0x123;
    private static final int NOWHERE = -1;

    /// Runs two things at the same time, once.
    private static void together(
            ExecutorService threads, Callable<Void> first, Callable<Void> second) throws Exception {
        CyclicBarrier start = new CyclicBarrier(2);
        Future<Void> other =
                threads.submit(() -> {
                    start.await(SECONDS, TimeUnit.SECONDS);
                    return first.call();
                });
        start.await(SECONDS, TimeUnit.SECONDS);
        second.call();
        other.get(SECONDS, TimeUnit.SECONDS);
    }

    /// On Xen, a timer that several vCPUs moved or set escaped the locks of its lists.
    @Test
    void xsa336_periodicTimerThatSeveralVcpusSetEndsWhenItIsStopped() throws Exception {
        AtomicInteger ticks = new AtomicInteger();
        try (DomainTimers timers = new DomainTimers("test", e -> {});
                ExecutorService threads = Executors.newSingleThreadExecutor()) {
            PeriodicTimer timer = new PeriodicTimer(timers, ticks::incrementAndGet);
            for (int i = 0; i < ROUNDS; i++) {
                together(
                        threads,
                        () -> {
                            timer.set(VcpuTimer.MIN_PERIOD_NANOS);
                            return null;
                        },
                        () -> {
                            timer.set(VcpuTimer.MIN_PERIOD_NANOS);
                            long _ = timer.stop();
                            return null;
                        });
            }
            long _ = timer.stop();
            timers.awaitTick();
            int last = ticks.get();
            CountDownLatch others = new CountDownLatch(5);
            assertNotNull(timers.start(VcpuTimer.MIN_PERIOD_NANOS, others::countDown));
            others.await();
            assertEquals(last, ticks.get(), "a timer that nobody can stop");
        }
    }

    /// On Xen, two vCPUs that mapped the same page of a grant table put it at two frames, and Xen forgot one of them.
    @Test
    void xsa379_pageOfATableIsAtOneFrame() throws Exception {
        try (OverlaidGuest guest = new OverlaidGuest();
                ExecutorService threads = Executors.newSingleThreadExecutor()) {
            int page = SpecialPages.grantFrame(0);
            int tag = OverlaidGuest.tag(page);
            for (int i = 0; i < ROUNDS; i++) {
                together(
                        threads,
                        () -> {
                            guest.overlay(page, GFN);
                            return null;
                        },
                        () -> {
                            guest.overlay(page, GFN + 1);
                            return null;
                        });
                long at = guest.memory.overlayOf(page);
                assertEquals(tag, guest.word(at));
                assertEquals(0, guest.word(2 * GFN + 1 - at), "the frame where it is not");
            }
        }
    }

    /// On Xen, a status frame stayed mapped after it was freed, if another vCPU changed to version 1 during its
    /// mapping. XSA-255, 384 and 387 left that open, and XSA-486 (CVE-2026-23558) closed it.
    @Test
    void xsa384_xsa387_xsa486_noStatusFrameStaysMappedInVersionOne() throws Exception {
        try (TestDomain guest = new TestDomain(2);
                ExecutorService threads = Executors.newSingleThreadExecutor()) {
            Domain domain = guest.domain();
            GrantTable table = domain.grantTable();
            int page = domain.special().statusFrame(0);
            for (int i = 0; i < ROUNDS; i++) {
                table.setVersion(2);
                together(
                        threads,
                        () -> {
                            mapStatusFrame(domain);
                            return null;
                        },
                        () -> {
                            table.setVersion(1);
                            return null;
                        });
                assertEquals(NOWHERE, domain.memory().overlayOf(page), "in round " + i);
            }
        }
    }

    private static void mapStatusFrame(Domain domain) {
        try {
            domain.pages().mapGrantFrame(STATUS_INDEX, GFN);
        } catch (XenError e) {
            assertSame(XenError.EINVAL, e);
        }
    }

    /// Xen freed much memory in one go, without a break for other work.
    @Test
    void xsa410_longCallAboutMemoryEndsWithItsDomain() throws BootException, XenError {
        try (TestDomain guest = new TestDomain(1)) {
            GuestMemory memory = guest.memory();
            long list = ARG + 0x1000;
            int count = 16;
            for (int i = 0; i < count; i++) {
                memory.write64(list + 8L * i, GFN + i);
                memory.write64((GFN + i) << 12, 5);
            }
            memory.write64(ARG, list);
            memory.write64(ARG + 8, count);
            memory.write32(ARG + 16, 0);
            memory.write32(ARG + 20, 0);
            memory.write16(ARG + 24, SELF);
            guest.domain().vcpus().getFirst().stop();

            HypercallContext call = guest.caller(0, true);
            call.begin(MEMORY_OP, 0);
            call.setParameter(0, 1);
            call.setParameter(1, ARG);
            assertEquals(HypercallContext.CONTINUED, guest.dispatcher().dispatch(call));

            assertEquals(0, memory.read64(GFN << 12), "the page before the first break");
            for (int i = 1; i < count; i++) {
                assertEquals(5, memory.read64((GFN + i) << 12), "page " + i);
            }
        }
    }
}
