package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.xenemu.core.backend.DeviceTags;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.kvm.abi.DomId;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/// The meters of one disk. Those of good reads and writes are registered in advance, the others at the first request
/// of their operation and result.
///
/// | meter | tags | counts |
/// |---|---|---|
/// | `xen.block.requests` | domain, device, op, result | requests answered |
/// | `xen.block.bytes` | domain, device, op | bytes of requests that succeeded |
/// | `xen.block.inflight` | domain, device | requests in progress |
public final class BlockMetrics implements AutoCloseable {
    private final DomainMeters meters;
    private final Tags device;
    private final AtomicInteger inFlight = new AtomicInteger();

    private final Map<BlockStatus, Map<BlockOp, Counter>> requests =
            new EnumMap<>(BlockStatus.class);

    private final Map<BlockOp, Counter> bytes = new ConcurrentHashMap<>();

    /// @param number the device's number, the value of the tag `device`
    public BlockMetrics(MeterRegistry registry, DomId domain, int number) {
        meters = new DomainMeters(registry);
        device = DeviceTags.of(domain, number);
        Map<BlockOp, Counter> good = new ConcurrentHashMap<>();
        for (BlockStatus status : BlockStatus.values()) {
            requests.put(status, status == BlockStatus.OKAY ? good : new ConcurrentHashMap<>());
        }
        meters.add(
                Gauge.builder("xen.block.inflight", inFlight, AtomicInteger::get)
                        .description("Requests of a guest's disk in progress")
                        .baseUnit("requests")
                        .tags(device)
                        .register(registry));
        for (BlockOp op : List.of(BlockOp.READ, BlockOp.WRITE)) {
            addRequests(good, op, BlockStatus.OKAY);
            addBytes(op);
        }
    }

    /// A request was taken.
    void begun() {
        inFlight.incrementAndGet();
    }

    /// A request is about to be answered.
    void ended(BlockRequest request, BlockStatus status) {
        inFlight.decrementAndGet();
        BlockOp op = request.op();
        // There is one for every status.
        Map<BlockOp, Counter> byOp = Objects.requireNonNull(requests.get(status));
        Counter counter = byOp.get(op);
        (counter != null ? counter : addRequests(byOp, op, status)).increment();
        if (status == BlockStatus.OKAY && request.bytes() > 0) {
            Counter moved = bytes.get(op);
            (moved != null ? moved : addBytes(op)).increment((double) request.bytes());
        }
    }

    // Registering twice gives the same counter.

    @CanIgnoreReturnValue
    private Counter addRequests(Map<BlockOp, Counter> byOp, BlockOp op, BlockStatus status) {
        Counter counter =
                Counter.builder("xen.block.requests")
                        .description("Requests of a guest's disk")
                        .baseUnit("requests")
                        .tags(device.and("op", tag(op), "result", tag(status)))
                        .register(meters.registry());
        meters.add(counter);
        byOp.put(op, counter);
        return counter;
    }

    @CanIgnoreReturnValue
    private Counter addBytes(BlockOp op) {
        Counter counter =
                Counter.builder("xen.block.bytes")
                        .description("Bytes read, written and discarded on a guest's disk")
                        .baseUnit("bytes")
                        .tags(device.and("op", tag(op)))
                        .register(meters.registry());
        meters.add(counter);
        bytes.put(op, counter);
        return counter;
    }

    private static String tag(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    /// Removes the meters.
    @Override
    public void close() {
        meters.close();
    }
}
