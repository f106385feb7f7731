package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// The paravirtual devices that exist, as an operator asks for them. Changes nothing.
public final class DeviceList {
    private final DeviceNodes nodes;

    DeviceList(DeviceNodes nodes) {
        this.nodes = nodes;
    }

    /// Finds a device by an operator's argument: a disk by its name or number, a network interface by its number or
    /// address, a share by its number or tag, a console by its number or name.
    ///
    /// @throws Refused if there is none
    public PvDevice find(DeviceKind kind, DomId frontend, String which) throws Refused {
        try {
            List<PvDevice> all = nodes.devices(kind, frontend);
            for (PvDevice device : all) {
                if (hasAddress(device, which) || nodes.hasLabel(device, which)) {
                    return device;
                }
            }
            OptionalInt id = VirtualDisk.number(which);
            for (PvDevice device : all) {
                if (id.isPresent() && id.getAsInt() == device.id()) {
                    return device;
                }
            }
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        }
        throw new Refused("no such device: " + which);
    }

    private boolean hasAddress(PvDevice device, String which) throws XenError {
        return device.kind() == DeviceKind.VIF
                && which.contains(":")
                && nodes.read(device.recordPath() + "/mac")
                        .flatMap(MacAddress::parse)
                        .equals(MacAddress.parse(which));
    }

    /// The path of the pseudo terminal that a console is on.
    ///
    /// @throws Refused if it is on something else, which the reason names
    public String terminal(PvDevice console) throws Refused {
        try {
            Optional<String> tty = nodes.read(console.recordPath() + "/" + ConsoleSpec.TTY);
            if (tty.isPresent()) {
                return tty.get();
            }
            throw new Refused(
                    "%s is on no terminal, but on %s"
                            .formatted(
                                    console.name(),
                                    nodes.read(console.recordPath() + "/path")
                                            .orElse("something else")));
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        }
    }

    /// The devices of a domain that other domains serve.
    ///
    /// @throws Refused if XenStore gives no answer
    public List<PvDevice> foreign(DomId frontend) throws Refused {
        try {
            List<PvDevice> foreign = new ArrayList<>();
            for (DeviceKind kind : DeviceKind.values()) {
                foreign.addAll(nodes.devices(kind, frontend));
            }
            foreign.removeIf(PvDevice::isByService);
            return foreign;
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        }
    }

    /// A header, and a row for each device of some domains, as xl shows them. A domain that is named more than once is
    /// shown once, so that a short request cannot make a long answer.
    public List<String> table(DeviceKind kind, List<DomId> frontends) throws Refused {
        try {
            DeviceRow row = new DeviceRow(nodes, kind);
            List<String> rows = new ArrayList<>(List.of(row.header()));
            for (DomId frontend : new LinkedHashSet<>(frontends)) {
                for (PvDevice device : nodes.devices(kind, frontend)) {
                    rows.add(row.of(device));
                }
            }
            return rows;
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        }
    }
}
