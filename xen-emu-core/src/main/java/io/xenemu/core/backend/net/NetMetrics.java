package io.xenemu.core.backend.net;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.xenemu.core.backend.DeviceTags;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.core.toolstack.PvDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;

/// The meters of one network interface, by queue and direction; removed with the device. `tx` is from the guest, `rx`
/// to the guest. Counters go on when the guest connects again.
///
/// | meter | tags | counts |
/// |---|---|---|
/// | `xen.net.frames` | domain, device, queue, direction | frames moved |
/// | `xen.net.bytes` | domain, device, queue, direction | their bytes |
/// | `xen.net.drops` | domain, device, queue, direction, reason | frames dropped; see [DropReason] |
/// | `xen.net.reconnections` | domain, device | new connections to passt; not of an interface on a tap |
public final class NetMetrics implements AutoCloseable {
    private final DomainMeters meters;
    private final Tags device;
    private final List<Queue> queues = new ArrayList<>();
    private volatile LongSupplier reconnections = () -> 0;

    /// The counters of one queue.
    record Queue(QueueCounters tx, QueueCounters rx) {}

    /// Registers the meters of the first queue.
    public NetMetrics(MeterRegistry registry, PvDevice device) {
        this.meters = new DomainMeters(registry);
        this.device = DeviceTags.of(device.frontend(), device.id());
        addQueue();
    }

    /// Adds the meter of an interface whose host's end is a stream.
    ///
    /// @param count its new connections so far
    public void reconnections(LongSupplier count) {
        reconnections = count;
        meters.add(
                FunctionCounter.builder(
                                "xen.net.reconnections", this, m -> m.reconnections.getAsLong())
                        .description(
                                "New connections to passt, which has ended or was started again")
                        .tags(device)
                        .register(meters.registry()));
    }

    /// The counters of a queue, with meters from the first time on that there is such a queue.
    synchronized Queue queue(int number) {
        while (queues.size() <= number) {
            addQueue();
        }
        return queues.get(number);
    }

    private void addQueue() {
        Queue queue = new Queue(new QueueCounters(), new QueueCounters());
        Tags tags = device.and("queue", Integer.toString(queues.size()));
        register(queue.tx, tags.and("direction", "tx"));
        register(queue.rx, tags.and("direction", "rx"));
        queues.add(queue);
    }

    private void register(QueueCounters counters, Tags tags) {
        MeterRegistry registry = meters.registry();
        meters.add(
                FunctionCounter.builder("xen.net.frames", counters, c -> c.packets.sum())
                        .description("Frames that a network interface of the service has moved")
                        .baseUnit("frames")
                        .tags(tags)
                        .register(registry));
        meters.add(
                FunctionCounter.builder("xen.net.bytes", counters, c -> c.bytes.sum())
                        .description("Bytes of these frames")
                        .baseUnit("bytes")
                        .tags(tags)
                        .register(registry));
        for (DropReason reason : DropReason.values()) {
            meters.add(
                    FunctionCounter.builder("xen.net.drops", counters, c -> c.drops(reason).sum())
                            .description("Frames that a network interface has dropped")
                            .baseUnit("frames")
                            .tags(tags.and("reason", reason.tag()))
                            .register(registry));
        }
    }

    @Override
    public void close() {
        meters.close();
    }
}
