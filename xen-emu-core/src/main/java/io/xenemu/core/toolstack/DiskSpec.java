package io.xenemu.core.toolstack;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SequencedMap;

/// A disk.
///
/// @param target the back end's hotplug script finds the disk by this, such as `/dev/vg/disk`
/// @param vdev the disk's name in the guest
/// @param number the number of that name
/// @param writable whether the guest may write
/// @param backend name or id of the back end's domain
/// @param script the hotplug script that the back end's domain runs
/// @param discard whether the guest may discard
/// @param directIoSafe whether the back end may read the guest's pages after it has reported completion
/// @param trusted whether the guest may trust the back end
/// @param cdrom whether it is a CD-ROM, which is read-only
public record DiskSpec(
        String target,
        String vdev,
        int number,
        boolean writable,
        String backend,
        String script,
        boolean discard,
        boolean directIoSafe,
        boolean trusted,
        boolean cdrom)
        implements DeviceSpec {
    /// Parses a specification as xl does (xl-disk-configuration(5)); each word may be a part of it.
    ///
    /// @throws Refused if it is malformed, or the disk is not supported
    public static DiskSpec parse(List<String> words) throws Refused {
        DiskSpecParser parser = new DiskSpecParser();
        for (String word : words) {
            parser.read(word);
        }
        return parser.result();
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.VBD;
    }

    @Override
    public OptionalInt id() {
        return OptionalInt.of(number);
    }

    @Override
    public DiskSpec numbered(int id) {
        return this;
    }

    @Override
    public DeviceContents contents(PvDevice device) {
        SequencedMap<String, String> back = new LinkedHashMap<>();
        back.put("params", target);
        back.put("script", DeviceContents.script(script));
        back.put("frontend-id", Integer.toString(device.frontend().value()));
        back.put("online", "1");
        back.put("removable", DeviceContents.flag(cdrom));
        back.put("bootable", "1");
        back.put("state", XenbusState.INITIALISING.code());
        back.put("dev", vdev);
        back.put("type", "phy");
        back.put("mode", writable ? "w" : "r");
        back.put("device-type", type());
        if (directIoSafe) {
            back.put("direct-io-safe", "1");
        }
        back.put("discard-enable", DeviceContents.flag(discard));
        SequencedMap<String, String> front = new LinkedHashMap<>();
        front.put("backend-id", Integer.toString(device.backend().value()));
        front.put("state", XenbusState.INITIALISING.code());
        front.put("virtual-device", Integer.toString(device.id()));
        front.put("device-type", type());
        front.put("trusted", DeviceContents.flag(trusted));
        return new DeviceContents(back, front, Map.of());
    }

    private String type() {
        return cdrom ? "cdrom" : "disk";
    }
}
