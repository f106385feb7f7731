package io.xenemu.core.domain;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// What one domain has of the resources of the process.
///
/// @param mappings memory mappings (mmap(2))
/// @param descriptors file descriptors
/// @param threads platform threads
record DomainResources(
        HostBudget.Share mappings, HostBudget.Share descriptors, HostBudget.Share threads)
        implements AutoCloseable {
    /// Its ranges of memory for the guest and for the service, and what is behind them.
    private static final long MEMORY_MAPPINGS = 12;

    /// A thread's stack and the guard pages of the C library and of the JVM around it.
    private static final long MAPPINGS_PER_THREAD = 4;

    /// Besides its vCPUs: the guest's own, its timers', those of its console and serial port, its callback line's.
    private static final long SERVICE_THREADS = 7;

    /// The VM, two memories, three eventfds, and some that are open while it is made.
    private static final long BASE_DESCRIPTORS = 10;

    /// A page of Xen's splits a mapping in two more, of the guest's alone in a hole.
    private static final long MAPPINGS_PER_SPECIAL_PAGE = 2;

    /// Windows for special pages and the first foreign ones.
    private static final long PROMISED_WINDOWS = 16;

    /// As many special pages as there are by default are promised; a domain that may have more shares what is left.
    private static final long PROMISED_SPECIAL_PAGES = 80;

    /// Takes what a domain needs.
    ///
    /// @param specialPages how many it may have
    /// @throws io.xenemu.kvm.abi.KvmException if the host does not have it
    static DomainResources open(HostResources host, int vcpus, int specialPages) {
        Teardown opened = new Teardown();
        try {
            long count = vcpus + SERVICE_THREADS;
            HostBudget.Share threads = host.threads().open(count, 0);
            opened.add(threads::close);
            HostBudget.Share descriptors = host.descriptors().open(BASE_DESCRIPTORS + vcpus, 0);
            opened.add(descriptors::close);
            HostBudget.Share mappings =
                    host.mappings()
                            .open(
                                    MEMORY_MAPPINGS + vcpus + MAPPINGS_PER_THREAD * count,
                                    MAPPINGS_PER_SPECIAL_PAGE
                                                    * Math.min(specialPages, PROMISED_SPECIAL_PAGES)
                                            + PROMISED_WINDOWS);
            return new DomainResources(mappings, descriptors, threads);
        } catch (RuntimeException e) {
            opened.closeAfter(e);
            throw e;
        }
    }

    /// Registers what an operator sees of it.
    ///
    /// @return removes the meters
    Runnable register(MeterRegistry registry, DomId domain) {
        List<Gauge> gauges =
                List.of(
                        gauge(registry, domain, "mappings", mappings),
                        gauge(registry, domain, "descriptors", descriptors),
                        gauge(registry, domain, "threads", threads));
        return () -> gauges.forEach(registry::remove);
    }

    private static Gauge gauge(
            MeterRegistry registry, DomId domain, String resource, HostBudget.Share share) {
        return Gauge.builder("xen.domain.charged", share, HostBudget.Share::held)
                .description(
                        "How many of the process's resources the domain has, or has been promised")
                .tag("domain", Integer.toString(domain.value()))
                .tag("resource", resource)
                .register(registry);
    }

    /// The guest has ended; its RAM and its special pages may be used by others yet.
    void guestEnded() {
        mappings.shrink(2);
        descriptors.shrink(2);
        threads.shrink(0);
    }

    /// Nothing is left.
    @Override
    public void close() {
        mappings.close();
        descriptors.close();
        threads.close();
    }
}
