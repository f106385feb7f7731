package io.xenemu.core.backend.nbd;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.xenemu.core.backend.DeviceTags;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.kvm.abi.DomId;

/// What is counted of a disk behind an NBD server. Removed with the disk.
public final class NbdMetrics implements AutoCloseable {
    private final DomainMeters meters;

    /// What a disk counts.
    public interface Counted {
        /// How often new connections had to be made.
        long reconnects();

        /// How often the server's process was started again.
        long restarts();

        /// Requests that were sent and not answered.
        int inFlight();

        /// Bytes of writes that were acknowledged and not flushed, which are kept.
        long unflushed();
    }

    /// @param number the device's number, the value of the tag `device`
    public NbdMetrics(MeterRegistry registry, DomId domain, int number, Counted disk) {
        meters = new DomainMeters(registry);
        Tags tags = DeviceTags.of(domain, number);
        meters.add(
                FunctionCounter.builder("xen.nbd.reconnects", disk, Counted::reconnects)
                        .description("New connections to a disk's NBD server since one broke")
                        .tags(tags)
                        .register(registry));
        meters.add(
                FunctionCounter.builder("xen.nbd.restarts", disk, Counted::restarts)
                        .description("Starts of a disk's qemu-nbd after the first")
                        .tags(tags)
                        .register(registry));
        meters.add(
                Gauge.builder("xen.nbd.inflight", disk, Counted::inFlight)
                        .baseUnit("requests")
                        .description("Requests that a disk's NBD server has not answered")
                        .tags(tags)
                        .register(registry));
        meters.add(
                Gauge.builder("xen.nbd.unflushed", disk, Counted::unflushed)
                        .baseUnit("bytes")
                        .description("Acknowledged writes that are kept until a flush")
                        .tags(tags)
                        .register(registry));
    }

    @Override
    public void close() {
        meters.close();
    }
}
