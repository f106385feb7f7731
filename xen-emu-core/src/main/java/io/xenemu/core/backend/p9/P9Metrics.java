package io.xenemu.core.backend.p9;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.xenemu.core.backend.DeviceTags;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.core.toolstack.PvDevice;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/// The meters of one share. A counter of requests is registered at the first request of its operation and result.
///
/// | meter | tags | counts |
/// |---|---|---|
/// | `xen.share.requests` | domain, device, operation, result | requests answered |
/// | `xen.share.bytes` | domain, device, direction | bytes of files read and written |
/// | `xen.share.fids` | domain, device | numbers that the guest holds for files |
/// | `xen.share.files` | domain, device | descriptors open |
public final class P9Metrics implements P9Observer, AutoCloseable {
    /// Twrite beside its data.
    private static final int WRITE_BYTES = P9Reader.HEADER + 4 + 8 + 4;

    /// The number 0 stands for those that the service does not know.
    private static final int OPERATIONS = P9Operation.NUMBERS;

    private final DomainMeters meters;
    private final Tags device;
    private final Counter read;
    private final Counter written;

    /// By operation and result: success, error.
    private final AtomicReferenceArray<@Nullable Counter> requests =
            new AtomicReferenceArray<>(2 * OPERATIONS);

    /// @param fids the numbers that the guest holds now
    /// @param files the descriptors that are open now
    public P9Metrics(MeterRegistry registry, PvDevice device, IntSupplier fids, IntSupplier files) {
        meters = new DomainMeters(registry);
        this.device = DeviceTags.of(device.frontend(), device.id());
        read = bytes("read");
        written = bytes("write");
        // Every mount begins so.
        Counter _ = add(2 * P9Operation.VERSION.number(), P9Operation.VERSION, true);
        meters.add(
                Gauge.builder("xen.share.fids", fids, IntSupplier::getAsInt)
                        .description("Numbers that a guest holds for files of a 9pfs share")
                        .tags(this.device)
                        .strongReference(true)
                        .register(registry));
        meters.add(
                Gauge.builder("xen.share.files", files, IntSupplier::getAsInt)
                        .description("Descriptors open for a 9pfs share")
                        .tags(this.device)
                        .strongReference(true)
                        .register(registry));
    }

    private Counter bytes(String direction) {
        Counter counter =
                Counter.builder("xen.share.bytes")
                        .description("Bytes of files read and written through a 9pfs share")
                        .baseUnit("bytes")
                        .tags(device.and("direction", direction))
                        .register(meters.registry());
        meters.add(counter);
        return counter;
    }

    @Override
    public void ended(@Nullable P9Operation operation, int errno, int asked, int answered) {
        int index = operation == null ? 0 : 2 * operation.number();
        int cell = errno == 0 ? index : index + 1;
        Counter counter = requests.get(cell);
        (counter != null ? counter : add(cell, operation, errno == 0)).increment();
        if (errno == 0 && operation == P9Operation.READ) {
            read.increment(answered - P9Contents.DATA_AT);
        } else if (errno == 0 && operation == P9Operation.WRITE) {
            written.increment(asked - WRITE_BYTES);
        }
    }

    /// Registering twice gives the same counter.
    private Counter add(int cell, @Nullable P9Operation operation, boolean ok) {
        Counter counter =
                Counter.builder("xen.share.requests")
                        .description("Requests of a guest on a 9pfs share")
                        .baseUnit("requests")
                        .tags(
                                device.and(
                                        "operation",
                                        operation == null ? "unknown" : operation.label(),
                                        "result",
                                        ok ? "ok" : "error"))
                        .register(meters.registry());
        meters.add(counter);
        requests.set(cell, counter);
        return counter;
    }

    /// Removes the meters.
    @Override
    public void close() {
        meters.close();
    }
}
