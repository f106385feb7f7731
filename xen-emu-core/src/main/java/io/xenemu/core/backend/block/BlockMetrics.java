package io.xenemu.core.backend.block;

import io.micrometer.core.instrument.FunctionCounter;
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
import java.util.concurrent.atomic.LongAdder;

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

    private final Map<BlockStatus, Map<BlockOp, LongAdder>> requests =
            new EnumMap<>(BlockStatus.class);

    private final Map<BlockOp, LongAdder> bytes = new ConcurrentHashMap<>();

    /// @param number the device's number, the value of the tag `device`
    public BlockMetrics(MeterRegistry registry, DomId domain, int number) {
        meters = new DomainMeters(registry);
        device = DeviceTags.of(domain, number);
        for (BlockStatus status : BlockStatus.values()) {
            requests.put(status, new ConcurrentHashMap<>());
        }
        meters.add(
                Gauge.builder("xen.block.inflight", inFlight, AtomicInteger::get)
                        .description("Requests of a guest's disk in progress")
                        .baseUnit("requests")
                        .tags(device)
                        .register(registry));
        for (BlockOp op : List.of(BlockOp.READ, BlockOp.WRITE)) {
            LongAdder _ = requests(op, BlockStatus.OKAY);
            LongAdder _ = bytes(op);
        }
    }

    /// A request was taken.
    void begun() {
        inFlight.incrementAndGet();
    }

    /// A request is about to be answered.
    void ended(BlockRequest request, BlockStatus status) {
        inFlight.decrementAndGet();
        requests(request.op(), status).increment();
        if (status == BlockStatus.OKAY && request.bytes() > 0) {
            bytes(request.op()).add(request.bytes());
        }
    }

    private LongAdder requests(BlockOp op, BlockStatus status) {
        // There is one for every status.
        Map<BlockOp, LongAdder> byOp = Objects.requireNonNull(requests.get(status));
        LongAdder counted = byOp.get(op);
        return counted != null
                ? counted
                : byOp.computeIfAbsent(op, first -> addRequests(first, status));
    }

    private LongAdder bytes(BlockOp op) {
        LongAdder counted = bytes.get(op);
        return counted != null ? counted : bytes.computeIfAbsent(op, this::addBytes);
    }

    private LongAdder addRequests(BlockOp op, BlockStatus status) {
        LongAdder added = new LongAdder();
        meters.add(
                FunctionCounter.builder("xen.block.requests", added, LongAdder::sum)
                        .description("Requests of a guest's disk")
                        .baseUnit("requests")
                        .tags(device.and("op", tag(op), "result", tag(status)))
                        .register(meters.registry()));
        return added;
    }

    private LongAdder addBytes(BlockOp op) {
        LongAdder added = new LongAdder();
        meters.add(
                FunctionCounter.builder("xen.block.bytes", added, LongAdder::sum)
                        .description("Bytes read, written and discarded on a guest's disk")
                        .baseUnit("bytes")
                        .tags(device.and("op", tag(op)))
                        .register(meters.registry()));
        return added;
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
