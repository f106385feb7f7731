package io.xenemu.core.domain;

import io.micrometer.core.instrument.MeterRegistry;

/// What the domains of a service take from one host, and so from each other.
///
/// @param foreignPages what they map of each other
/// @param machineFrames numbers their pages
/// @param deadMemory what is left of those that are gone
public record HostResources(
        ForeignPages foreignPages, MachineFrames machineFrames, DeadMemory deadMemory)
        implements AutoCloseable {
    /// As much as this host has.
    public static HostResources ofThisHost() {
        return new HostResources(
                ForeignPages.ofThisHost(), new MachineFrames(), new DeadMemory());
    }

    /// Registers what an operator sees of them.
    public void register(MeterRegistry registry) {
        foreignPages.register(registry);
        deadMemory.register(registry);
    }

    /// After the last domain.
    @Override
    public void close() {
        deadMemory.close();
        foreignPages.close();
    }
}
