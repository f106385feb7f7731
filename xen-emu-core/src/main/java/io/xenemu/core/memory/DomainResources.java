package io.xenemu.core.memory;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.host.HostBudget;
import io.xenemu.core.host.Teardown;
import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// One domain's share of the process's resources.
///
/// @param mappings memory mappings (mmap(2))
/// @param descriptors file descriptors
/// @param threads platform threads
public record DomainResources(
        HostBudget.Share mappings, HostBudget.Share descriptors, HostBudget.Share threads)
        implements AutoCloseable {
    /// Its ranges of memory, mapped for the guest and for the service, and the memory behind them.
    private static final long MEMORY_MAPPINGS = 12;

    /// A thread's stack, and the guard pages of the C library and the JVM around it.
    private static final long MAPPINGS_PER_THREAD = 4;

    /// The eventfd on which a thread of the service waits, and its epoll.
    private static final long DESCRIPTORS_PER_THREAD = 2;

    /// Threads besides its vCPUs: the guest's own, and those of its timers, console, serial port and callback line.
    private static final long SERVICE_THREADS = 7;

    /// The VM, two memories, three eventfds, and some that are open while the domain is made.
    private static final long BASE_DESCRIPTORS = 10;

    /// A shown special page splits a mapping into three; in a hole only the guest's mapping.
    private static final long MAPPINGS_PER_SPECIAL_PAGE = 2;

    /// Windows for special pages and the first foreign pages.
    private static final long PROMISED_WINDOWS = 16;

    /// Mappings for the default number of special pages are promised. A domain that may have more shares the rest.
    private static final long PROMISED_SPECIAL_PAGES = 80;

    /// Reserves the resources that a domain needs.
    ///
    /// @param specialPages the most special pages it may have
    /// @throws io.xenemu.kvm.abi.KvmException if the host does not have it
    public static DomainResources open(HostResources host, int vcpus, int specialPages) {
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

    /// Registers the gauges.
    ///
    /// @return removes the meters
    public Runnable register(MeterRegistry registry, DomId domain) {
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
                        "The amount of the process's resource that the domain has, or has been promised")
                .tag("domain", Integer.toString(domain.value()))
                .tag("resource", resource)
                .register(registry);
    }

    /// Takes what a thread of the service that waits for signals of a device of the guest needs.
    ///
    /// @return false if the domain may have no more; then nothing has happened
    public boolean takeServiceThread() {
        if (!threads.take(1)) {
            return false;
        }
        if (descriptors.take(DESCRIPTORS_PER_THREAD)) {
            if (mappings.take(MAPPINGS_PER_THREAD)) {
                return true;
            }
            descriptors.give(DESCRIPTORS_PER_THREAD);
        }
        threads.give(1);
        return false;
    }

    /// Gives that back, when the thread has ended.
    public void giveServiceThread() {
        mappings.give(MAPPINGS_PER_THREAD);
        descriptors.give(DESCRIPTORS_PER_THREAD);
        threads.give(1);
    }

    /// Notes that the guest has ended; others may still use its RAM and its special pages.
    public void guestEnded() {
        mappings.shrink(2);
        descriptors.shrink(2);
        threads.shrink(0);
    }

    /// Gives back all resources.
    @Override
    public void close() {
        mappings.close();
        descriptors.close();
        threads.close();
    }
}
