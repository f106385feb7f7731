package io.xenemu.core.hypervisor;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DevicesOverReboot;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.PvDevices;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// Attaches PV devices whose ends are named as an operator names domains.
public final class DeviceAttachment {
    private final NamedDomains domains;
    private final PvDevices devices;
    private final DeviceChanges changes = new DeviceChanges();

    public DeviceAttachment(NamedDomains domains, PvDevices devices) {
        this.domains = domains;
        this.devices = devices;
    }

    /// The devices that exist.
    public PvDevices devices() {
        return devices;
    }

    /// The domain of a name or id, which may be about to end.
    ///
    /// @throws Refused when there is none
    public Domain named(String name) throws Refused {
        return domains.named(name);
    }

    /// Operators' changes of devices.
    DeviceChanges changes() {
        return changes;
    }

    /// Begins a change of a domain's devices: none of its guest's moves begins before it is closed.
    ///
    /// @param domain that has the device
    /// @throws Refused if the guest moves
    public DeviceChanges.Change change(Domain domain) throws Refused {
        return changes.begin(List.of(domain.id()));
    }

    /// Begins to attach a device.
    ///
    /// @param frontend name or id of the domain that gets it
    /// @return as [#change]
    /// @throws Refused when an end does not exist, or moves
    public DeviceChanges.Change attaching(String frontend, DeviceSpec spec) throws Refused {
        return changes.begin(List.of(domains.named(frontend).id(), backend(spec)));
    }

    private DomId backend(DeviceSpec spec) throws Refused {
        return spec.isByService() ? DomId.DOM0 : domains.named(spec.backend()).id();
    }

    /// Creates a device. Holds no lock meanwhile, since XenStore may be slow. An end that ends first has no nodes in
    /// XenStore any more, and so gets no device.
    ///
    /// @param frontend name or id of the domain that gets it
    /// @throws Refused when an end does not exist, or cannot have the device
    public PvDevice create(String frontend, DeviceSpec spec) throws Refused {
        Domain user = domains.named(frontend);
        return devices.create(user.id(), backend(spec), spec);
    }

    /// Creates the devices that a guest has at its start, or had before a reboot.
    ///
    /// @return as [PvDevices#reattach]
    CompletableFuture<Void> reattach(DomId frontend, DevicesOverReboot kept) {
        return devices.reattach(
                kept,
                spec -> {
                    try {
                        return create(Integer.toString(frontend.value()), spec);
                    } catch (Refused e) {
                        if (kept.isRequired()) {
                            throw e;
                        }
                        throw new Refused(frontend + ": " + e.reason());
                    }
                });
    }
}
