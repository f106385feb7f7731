package io.xenemu.core.guest;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ResumedDomain;
import io.xenemu.core.hypervisor.ConsoleChannel;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.StoreChannel;
import io.xenemu.core.toolstack.DevicesOverReboot;
import io.xenemu.core.toolstack.Refused;
import java.util.concurrent.CompletableFuture;

/// The connections of a restored domain to XenStore, its console and its devices. They are as they were when its guest
/// was saved, or are made anew for a guest that had suspended itself.
final class RestoredConnections {
    private RestoredConnections() {}

    /// Connects a domain, before it is started.
    ///
    /// @param saved from which it was made
    /// @throws Refused if the state contradicts itself, or the host has not what a device needs
    static void make(Hypervisor hypervisor, Domain domain, GuestDevices devices, SavedGuest saved)
            throws Refused {
        hypervisor.devices().awaitRemoved(domain.id());
        SuspendedState anew = saved.suspended().orElse(null);
        if (anew == null) {
            StoreChannel store = hypervisor.introductions().channel(domain, saved.storePort());
            ConsoleChannel channel = devices.connectConsole(domain, hypervisor.servicePorts());
            hypervisor.introductions().reintroduce(domain, store, channel, saved.store());
            hypervisor.devices().restore(domain, saved.backends());
            return;
        }
        ResumedDomain.finish(domain, saved.xen());
        StoreChannel store = hypervisor.introductions().channel(domain);
        ConsoleChannel channel = devices.connectConsole(domain, hypervisor.servicePorts());
        hypervisor
                .introductions()
                .introduce(domain, anew.onlineVcpus(), anew.memory(), store, channel);
    }

    /// Makes the devices of a guest anew that had suspended itself.
    ///
    /// @return complete when the domain can be started; with [Refused] if it cannot have one of them
    static CompletableFuture<Void> remakeDevices(
            Hypervisor hypervisor, Domain domain, SuspendedState anew) {
        try {
            DevicesOverReboot all = hypervisor.devices().saved(anew.devices());
            return hypervisor.devices().reattach(domain, all);
        } catch (Refused e) {
            return CompletableFuture.failedFuture(e);
        }
    }
}
