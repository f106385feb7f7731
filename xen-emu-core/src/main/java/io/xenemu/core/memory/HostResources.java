package io.xenemu.core.memory;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.host.HostBudget;
import io.xenemu.core.host.HostLimits;

/// The host's resources that the domains of a service share.
///
/// @param mappings memory mappings of the process
/// @param descriptors its file descriptors
/// @param threads its threads
/// @param holes the pages that guests read around pages in holes
/// @param machineFrames numbers the domains' pages
/// @param deadMemory the memory of domains that are gone
public record HostResources(
        HostBudget mappings,
        HostBudget descriptors,
        HostBudget threads,
        HolePages holes,
        MachineFrames machineFrames,
        DeadMemory deadMemory)
        implements AutoCloseable {
    /// The resources of this host.
    public static HostResources ofThisHost() {
        return of(HostLimits.mappings(), HostLimits.descriptors(), HostLimits.threads());
    }

    /// Resources with these budgets.
    public static HostResources of(
            HostBudget mappings, HostBudget descriptors, HostBudget threads) {
        return new HostResources(
                mappings,
                descriptors,
                threads,
                new HolePages(),
                new MachineFrames(),
                new DeadMemory());
    }

    /// Registers their gauges.
    public void register(MeterRegistry registry) {
        mappings.register(registry);
        descriptors.register(registry);
        threads.register(registry);
        deadMemory.register(registry);
    }

    /// Closes them. Called after the last domain.
    @Override
    public void close() {
        deadMemory.close();
        holes.close();
    }
}
