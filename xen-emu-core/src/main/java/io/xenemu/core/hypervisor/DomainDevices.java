package io.xenemu.core.hypervisor;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Backends;
import io.xenemu.core.backend.BackendsState;
import io.xenemu.core.backend.EngineThreads;
import io.xenemu.core.backend.SavedSpec;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.toolstack.DeviceEvents;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DevicesOverReboot;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.PvDevices;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.XenStoreServer;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.concurrent.CompletableFuture;

/// The devices of domains from a domain's introduction to its end: those that the service serves, and those that other
/// domains serve.
public final class DomainDevices implements AutoCloseable {
    private final DomainDirectory domains;
    private final EventBoard events;
    private final Backends backends;
    private final PvDevices devices;
    private final DeviceAttachment attachment;

    /// @param events told of each device that is attached or removed
    /// @param ports domain 0's
    /// @param threads chooses the threads of queues
    /// @param kinds the devices that the service serves
    DomainDevices(
            DomainDirectory domains,
            EventBoard events,
            XenStoreServer xenstore,
            ServicePorts ports,
            EngineThreads threads,
            MeterRegistry registry,
            List<BackendKind> kinds) {
        this.domains = domains;
        this.events = events;
        backends = new Backends(domains::find, xenstore.client(), ports, threads, registry, kinds);
        devices = new PvDevices(xenstore, new ToBoard(), backends);
        attachment = new DeviceAttachment(new NamedDomains(domains), devices);
    }

    /// Attaches devices whose ends are named as an operator names domains.
    public DeviceAttachment attachment() {
        return attachment;
    }

    /// Makes the devices of a domain that has been introduced parts of it.
    void addTo(Domain domain) {
        domain.add(backends.part(domain.id()));
        domain.add(
                OwnPart.blocking(
                        "devices of other domains",
                        scope -> scope.isSuspended() ? Optional.empty() : foreign(domain.id()),
                        () -> new PartState.Nothing("it has none")));
    }

    /// Another guest's driver serves such a device, in pages that it maps.
    private Optional<String> foreign(DomId id) {
        try {
            List<PvDevice> foreign = devices.list().foreign(id);
            if (foreign.isEmpty()) {
                return Optional.empty();
            }
            PvDevice first = foreign.getFirst();
            String more = foreign.size() > 1 ? ", and %d more".formatted(foreign.size() - 1) : "";
            return Optional.of("%s serves %s%s".formatted(first.backend(), first.name(), more));
        } catch (Refused e) {
            return Optional.of(e.reason());
        }
    }

    /// Serves the devices of a restored domain again, after its introduction. They stand still until [#resume].
    ///
    /// @throws Refused if the state cannot be used, or the host has not what a device needs
    public void restore(Domain domain, BackendsState state) throws Refused {
        backends.restore(domain, state).forEach(devices::restored);
    }

    /// The reasons for which another process of the service cannot have a domain's devices; empty if it can.
    public List<String> stays(Domain domain) {
        return backends.stays(domain.id());
    }

    /// The descriptors of a domain's devices, which stand still, for another process.
    ///
    /// @throws Refused if one cannot be handed over now
    public Map<PvDevice, ImmutableIntArray> descriptors(Domain domain) throws Refused {
        return backends.descriptors(domain.id());
    }

    /// Another process has a domain's devices now. What ends here leaves what that uses as it is.
    public void handedOver(Domain domain) {
        backends.handedOver(domain.id());
    }

    /// Keeps the descriptors of a device of another process until its domain is restored.
    ///
    /// @throws IllegalArgumentException if there are some already
    public void receive(PvDevice device, ImmutableIntArray descriptors) {
        backends.receive(device, descriptors);
    }

    /// The specifications of a domain's devices in their saved form, to make them anew elsewhere.
    ///
    /// @throws Refused if one cannot be saved
    public List<SavedSpec> specs(Domain domain) throws Refused {
        List<SavedSpec> saved = new ArrayList<>();
        for (DeviceSpec spec : devices.specs(domain.id())) {
            saved.add(backends.kinds().saved(spec));
        }
        return saved;
    }

    /// The same devices for a clone of the domain: with addresses of their own.
    ///
    /// @throws Refused if one cannot be used by two domains
    public List<SavedSpec> ofClone(List<SavedSpec> saved) throws Refused {
        List<SavedSpec> own = new ArrayList<>();
        SecureRandom random = new SecureRandom();
        for (SavedSpec spec : saved) {
            own.add(
                    backends.kinds()
                            .saved(DeviceSpec.ofClone(backends.kinds().spec(spec), random)));
        }
        return own;
    }

    /// Waits until nothing is left of the devices of the domain that had this id before.
    ///
    /// @throws Refused if that takes too long
    public void awaitRemoved(DomId id) throws Refused {
        devices.awaitRemoved(id);
    }

    /// The devices that a domain had when it was saved, to be made anew with [#reattach].
    ///
    /// @throws Refused if one cannot be used
    public DevicesOverReboot saved(List<SavedSpec> saved) throws Refused {
        List<DeviceSpec> specs = new ArrayList<>();
        for (SavedSpec spec : saved) {
            specs.add(backends.kinds().spec(spec));
        }
        return DevicesOverReboot.ofFirstBoot(specs);
    }

    /// Lets the devices of a restored domain go on.
    public void resume(Domain domain) {
        backends.resume(domain.id());
    }

    /// Lets no operator change a domain's devices until [#thaw].
    ///
    /// @param reason what is done to the domain, such as `saved`
    /// @throws Refused if one does just now
    public void freeze(Domain domain, String reason) throws Refused {
        attachment.changes().freeze(domain.id(), reason);
    }

    /// Lets operators change a domain's devices again, if they cannot now.
    public void thaw(Domain domain) {
        attachment.changes().thaw(domain.id());
    }

    /// A domain's devices that the service serves, in the order of [#needs].
    public List<PvDevice> served(Domain domain) {
        return backends.moves().devices(domain.id());
    }

    /// What a domain's devices need where it goes on.
    ///
    /// @throws Refused if one cannot be saved
    public List<SavedSpec> needs(Domain domain) throws Refused {
        return backends.moves().needs(domain.id());
    }

    /// Checks that a device of another host could be had here.
    ///
    /// @param trusts whether the operator answers for it that both hosts see the same storage
    /// @return what was found, in one line for an operator
    /// @throws Refused with one line for the operator: the host has not what it needs
    public String check(SavedSpec device, boolean trusts) throws Refused {
        return backends.kinds().check(device, trusts);
    }

    /// The disks of a domain whose content is on this host, by their places in [#needs], with the bytes that they take.
    ///
    /// @throws Refused if one cannot be copied
    public SortedMap<Integer, Long> copied(Domain domain) throws Refused {
        return backends.moves().copied(domain.id());
    }

    /// Begins to copy these disks, in this order.
    ///
    /// @return to be closed
    public List<BackendDevice.DiskCopy> copy(Domain domain) {
        return backends.moves().copy(domain.id());
    }

    /// Checks that a copy of a disk of another host could be made here.
    ///
    /// @param bytes that it takes there, without its holes
    /// @param replaces whether the copy may take the place of a file that is there
    /// @throws Refused with one line for the operator
    public BackendKind.CopyPlace place(SavedSpec disk, long bytes, boolean replaces)
            throws Refused {
        return backends.kinds().place(disk, bytes, replaces);
    }

    /// Begins a copy of a disk of another host.
    ///
    /// @param replaces as for [#place]
    /// @throws Refused with one line for the operator
    public BackendKind.IncomingDisk incoming(SavedSpec disk, boolean replaces) throws Refused {
        return backends.kinds().incoming(disk, replaces);
    }

    /// Flushes the disks of a domain that runs.
    ///
    /// @param copies whether disks are copied that are on this host: then they are not flushed
    /// @throws Refused if that fails
    public void flush(Domain domain, boolean copies) throws Refused, InterruptedException {
        backends.moves().flush(domain.id(), copies);
    }

    /// Gives up what one host alone may have of a domain's devices: disks with their locks and processes. The domain
    /// stands still.
    ///
    /// @param copies whether disks are copied that are on this host: then they stay here, and all that the guest has
    ///     written can be read
    /// @throws Refused if one cannot be given up; others may have been
    public void release(Domain domain, boolean copies) throws Refused, InterruptedException {
        backends.moves().release(domain.id(), copies);
    }

    /// Claims again what was given up of a domain's devices. The domain goes on only after this.
    ///
    /// @throws Refused if one cannot be claimed; others may have been
    public void claim(Domain domain) throws Refused, InterruptedException {
        backends.moves().claim(domain.id());
    }

    /// Begins to take a domain's devices from their back ends, because its guest reboots. Those of the service have let
    /// go of the guest's memory when it returns, or keep the pages that they still use.
    public DevicesOverReboot keep(Domain domain) {
        DevicesOverReboot kept = devices.frontendReboots(domain.id());
        boolean _ = backends.end(domain.id());
        return kept;
    }

    /// Whether the service has let go of the memory of a domain whose devices end. Waits for that as [#keep] does.
    public boolean hasLetGo(Domain domain) {
        return backends.end(domain.id());
    }

    /// Creates, for a domain that has been introduced, the devices that its guest has from its start, or had before a
    /// reboot.
    ///
    /// @return completes when all possible devices exist; with [Refused] if a required one does not
    public CompletableFuture<Void> reattach(Domain domain, DevicesOverReboot kept) {
        return attachment.reattach(domain.id(), kept);
    }

    /// Ends the devices of a domain.
    void end(DomId domain) {
        Teardown steps = new Teardown();
        steps.add(() -> backends.end(domain));
        steps.add(() -> devices.frontendEnds(domain));
        steps.close();
    }

    /// Every domain has ended.
    @Override
    public void close() {
        Teardown steps = new Teardown();
        steps.add(backends::close);
        steps.add(devices::close);
        steps.close();
    }

    /// Turns events of devices into events of domains.
    private final class ToBoard implements DeviceEvents {
        @Override
        public void attached(PvDevice device) {
            tell(DomainEvent.Type.ATTACHED, device);
        }

        @Override
        public void detached(PvDevice device) {
            tell(DomainEvent.Type.DETACHED, device);
        }

        private void tell(DomainEvent.Type type, PvDevice device) {
            Domain domain = domains.find(device.frontend());
            events.tell(
                    DomainEvent.ofDevice(
                            type, device, domain == null ? "" : domain.config().name()));
        }
    }
}
