package io.xenemu.core.host;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.memory.HostResources;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/// The limit of the process, and the shares of its domains.
final class HostBudgetTest {
    private static final int SPECIAL_PAGES = 81;

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

    private static HostBudget budget(String resource, long limit) {
        return new HostBudget(resource, "mmap", Errno.ENOMEM, "sysctl x=" + limit, limit);
    }

    private static HostResources host(long mappings, long descriptors, long threads) {
        return HostResources.of(
                budget("mappings", mappings),
                budget("descriptors", descriptors),
                budget("threads", threads));
    }

    @Test
    void domainTakesNoMoreThanIsLeft() {
        HostBudget budget = budget("mappings", 100);
        HostBudget.Share first = budget.open(10, 10);
        assertEquals(20, budget.charged());
        assertTrue(first.take(10), "promised");
        assertEquals(20, budget.charged());
        assertTrue(first.take(40));
        assertFalse(first.take(1));
        HostBudget.Share second = budget.open(0, 0);
        assertTrue(second.take(20));
        assertFalse(second.take(1));
        first.give(40);
        assertEquals(40, budget.charged());
        first.give(10);
        assertEquals(40, budget.charged(), "still promised");
        first.shrink(2);
        assertEquals(22, budget.charged());
        assertFalse(first.take(1), "it has ended");
        first.give(5);
        first.close();
        second.close();
        assertEquals(0, budget.charged());
    }

    @Test
    void guestThatCouldNotLiveIsRefusedInOneLine() {
        for (HostResources host :
                new HostResources[] {host(100, 100, 100), host(1000, 9, 100), host(1000, 100, 3)}) {
            KvmException e =
                    assertThrows(
                            KvmException.class, () -> DomainResources.open(host, 2, SPECIAL_PAGES));
            String line = Objects.requireNonNull(e.getMessage());
            assertTrue(
                    line.matches(
                            "mmap: ENOMEM \\(12\\): a guest needs \\d+"
                                    + " (mappings|descriptors|threads) and \\d+ are left"
                                    + " \\(sysctl x=\\d+\\)"),
                    line);
            assertEquals(0, host.mappings().charged());
            assertEquals(0, host.descriptors().charged());
            assertEquals(0, host.threads().charged());
            host.close();
        }
    }

    @Test
    void metersTellTheShareOfEachDomain() {
        try (HostResources host = host(1000, 100, 50)) {
            host.register(registry);
            DomainResources domain = DomainResources.open(host, 2, SPECIAL_PAGES);
            Runnable unregister = domain.register(registry, new DomId(3));
            assertEquals(1000, gauge("xen.host.limit", "mappings"));
            assertEquals(9, gauge("xen.host.charged", "threads"));
            assertEquals(12, gauge("xen.domain.charged", "descriptors"));
            assertTrue(domain.descriptors().take(3));
            assertEquals(15, gauge("xen.domain.charged", "descriptors"));
            assertEquals(15, gauge("xen.host.charged", "descriptors"));
            domain.guestEnded();
            assertEquals(2, gauge("xen.host.charged", "descriptors"));
            unregister.run();
            assertEquals(0, registry.find("xen.domain.charged").gauges().size());
            domain.close();
            assertEquals(0, gauge("xen.host.charged", "mappings"));
        }
    }

    private double gauge(String name, String resource) {
        return registry.get(name).tag("resource", resource).gauge().value();
    }

    /// The file is read at once, since a sysctl cannot be read in pieces.
    @Test
    void limitIsTheHostsWholeNumber() throws IOException {
        Process cat = new ProcessBuilder("cat", "/proc/sys/vm/max_map_count").start();
        long mappings =
                Long.parseLong(new String(cat.getInputStream().readAllBytes(), US_ASCII).strip());
        HostLimits.mappings().register(registry);
        assertEquals(mappings - 8192, Math.round(gauge("xen.host.limit", "mappings")));
    }

    @Test
    void thisHostHasRoomForAGuest() {
        try (HostResources host = HostResources.ofThisHost();
                DomainResources guest = DomainResources.open(host, 2, SPECIAL_PAGES)) {
            assertTrue(guest.mappings().take(1));
            assertTrue(guest.descriptors().take(1));
        }
    }
}
