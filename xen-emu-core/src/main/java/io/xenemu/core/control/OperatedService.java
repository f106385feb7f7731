package io.xenemu.core.control;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.core.guest.ChangeGate;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.guest.LiveUpdates;
import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.hypervisor.EventBoard;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.MemoryTargets;
import io.xenemu.core.hypervisor.NamedDomains;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.toolstack.GuestControls;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.trace.TracePoints;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The service that an operator's verbs work on.
///
/// @param domains its domains
/// @param named the same by id or name
/// @param controls the nodes in XenStore by which guests are told what to do
/// @param attachment their devices
/// @param memory their memory targets
/// @param events the domains' events
/// @param traces the places where the domains' hypercalls can be recorded
/// @param engines the engines that serve devices
/// @param hosted the guests of a daemon; null for a service that runs one guest
/// @param changes the commands that change it
/// @param updates hands a daemon over; null for a service that runs one guest
/// @param meters of its domains
public record OperatedService(
        OperatedDomains domains,
        NamedDomains named,
        GuestControls controls,
        DeviceAttachment attachment,
        MemoryTargets memory,
        EventBoard events,
        TracePoints traces,
        Engines engines,
        @Nullable HostedGuests hosted,
        ChangeGate changes,
        @Nullable LiveUpdates updates,
        MeterRegistry meters) {
    /// A service that runs guests in the foreground.
    public static OperatedService of(Hypervisor hypervisor) {
        return of(hypervisor, null, new ChangeGate(), null);
    }

    /// A daemon, which can be handed over.
    ///
    /// @param upgrade the path of the socket for the new process, which only this user can use
    /// @param leaving what to do when the new process has the guests
    public static OperatedService ofDaemon(
            Hypervisor hypervisor, HostedGuests guests, Path upgrade, LiveUpdates.Leaving leaving) {
        ChangeGate changes = new ChangeGate();
        return of(
                hypervisor,
                guests,
                changes,
                new LiveUpdates(hypervisor, guests, changes, upgrade, leaving));
    }

    private static OperatedService of(
            Hypervisor hypervisor,
            @Nullable HostedGuests hosted,
            ChangeGate changes,
            @Nullable LiveUpdates updates) {
        return new OperatedService(
                hypervisor.operated(),
                new NamedDomains(hypervisor.operated()),
                hypervisor.controls(),
                hypervisor.devices().attachment(),
                hypervisor.memoryTargets(),
                hypervisor.events(),
                hypervisor.traces(),
                hypervisor.engines(),
                hosted,
                changes,
                updates,
                hypervisor.meters());
    }

    /// Hands a daemon over.
    ///
    /// @throws Refused for another service
    LiveUpdates liveUpdates() throws Refused {
        if (updates == null) {
            throw new Refused("only xen-emu daemon does that, not run");
        }
        return updates;
    }

    /// The guests of a daemon.
    ///
    /// @throws Refused for another service
    HostedGuests guests() throws Refused {
        if (hosted == null) {
            throw new Refused("only xen-emu daemon does that, not run");
        }
        return hosted;
    }
}
