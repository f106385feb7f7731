package io.xenemu.core.domain;

import io.micrometer.core.instrument.MeterRegistry;

/// What the domains of a service take from one host, and so from each other.
///
/// @param mappings memory mappings of the process
/// @param descriptors its file descriptors
/// @param threads its threads
/// @param holes what guests read around pages in holes
/// @param machineFrames numbers their pages
/// @param deadMemory what is left of those that are gone
public record HostResources(
        HostBudget mappings,
        HostBudget descriptors,
        HostBudget threads,
        HolePages holes,
        MachineFrames machineFrames,
        DeadMemory deadMemory)
        implements AutoCloseable {
    /// As much as this host has.
    public static HostResources ofThisHost() {
        return of(HostLimits.mappings(), HostLimits.descriptors(), HostLimits.threads());
    }

    /// The rest beside certain budgets.
    static HostResources of(HostBudget mappings, HostBudget descriptors, HostBudget threads) {
        return new HostResources(
                mappings,
                descriptors,
                threads,
                new HolePages(),
                new MachineFrames(),
                new DeadMemory());
    }

    /// Registers what an operator sees of them.
    public void register(MeterRegistry registry) {
        mappings.register(registry);
        descriptors.register(registry);
        threads.register(registry);
        deadMemory.register(registry);
    }

    /// After the last domain.
    @Override
    public void close() {
        deadMemory.close();
        holes.close();
    }
}
