package io.xenemu.core.backend.engine;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;

/// The meters of the engines of a service. They live as long as it.
final class EngineMetrics {
    private static final double NANOS_PER_SECOND = 1e9;

    private EngineMetrics() {}

    static void register(MeterRegistry registry, Engine engine) {
        Tags tags =
                Tags.of(
                        "class",
                        engine.id().type().label(),
                        "instance",
                        Integer.toString(engine.id().instance()));
        FunctionCounter.builder("xen.engine.busy", engine, it -> it.busyNanos() / NANOS_PER_SECOND)
                .description("Time that the engine has spent on its queues")
                .baseUnit("seconds")
                .tags(tags)
                .register(registry);
        FunctionCounter.builder("xen.engine.runs", engine, Engine::runs)
                .description("Runs of queues")
                .tags(tags)
                .register(registry);
        Gauge.builder("xen.engine.queues", engine, Engine::queues)
                .description("Queues of devices that the engine serves")
                .tags(tags)
                .register(registry);
    }
}
