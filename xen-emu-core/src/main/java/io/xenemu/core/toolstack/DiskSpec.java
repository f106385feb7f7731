package io.xenemu.core.toolstack;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SequencedMap;

/// A disk.
///
/// @param target the back end's hotplug script finds the disk by this, such as `/dev/vg/disk`; for the service a path,
///     or the address of an NBD server
/// @param format xl's word for the format of its bytes: `raw`, or one that the service alone serves
/// @param vdev the disk's name in the guest
/// @param number the number of that name
/// @param writable whether the guest may write
/// @param backend name or id of the back end's domain
/// @param script the hotplug script that the back end's domain runs
/// @param discard whether the guest may discard
/// @param directIoSafe whether the back end may read the guest's pages after it has reported completion
/// @param trusted whether the guest may trust the back end
/// @param cdrom whether it is a CD-ROM, which is read-only
/// @param serving what the service does for it; the default for a disk of another domain
public record DiskSpec(
        String target,
        String format,
        String vdev,
        int number,
        boolean writable,
        String backend,
        String script,
        boolean discard,
        boolean directIoSafe,
        boolean trusted,
        boolean cdrom,
        DiskServing serving)
        implements DeviceSpec {
    /// libxl's script for disks whose target is a path.
    static final String DEFAULT_SCRIPT = "block";

    /// The format of an image that has nothing but the disk's bytes.
    public static final String RAW = "raw";

    /// How a target begins that is an image of Ceph's, as QEMU and xl write it.
    public static final String RBD = "rbd:";

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

    /// The words of a disk of the service, for a process with another working directory: the paths of its file and of
    /// its key are absolute. Any other words stay as they are.
    public static List<String> absolute(List<String> words) {
        DiskSpec disk;
        try {
            disk = parse(words);
        } catch (Refused e) {
            // Whoever is to serve it says so.
            return words;
        }
        if (!disk.isByService() || !disk.script().equals(DEFAULT_SCRIPT)) {
            return words;
        }
        String key = disk.serving().keyFile();
        String target = disk.target();
        List<String> all = new ArrayList<>(words);
        if (!key.isEmpty()) {
            replace(all, key, List.of(DiskSpecParser.KEY_FILE + "=" + key));
        }
        if (disk.isFile()) {
            replace(all, target, List.of(DiskSpecParser.TARGET + target, target));
        }
        return all;
    }

    /// Makes a path absolute where one of the texts, which end with it, stands first.
    private static void replace(List<String> words, String given, List<String> texts) {
        String path;
        try {
            path = Path.of(given).toAbsolutePath().toString();
        } catch (InvalidPathException _) {
            // Whoever is to open it says so.
            return;
        }
        for (String text : texts) {
            for (int word = 0; word < words.size(); word++) {
                int at = find(words.get(word), text);
                if (at >= 0) {
                    int from = at + text.length() - given.length();
                    String before = words.get(word).substring(0, from);
                    words.set(word, before + path + words.get(word).substring(at + text.length()));
                    return;
                }
            }
        }
    }

    /// Where a text is a whole part of a word, maybe after a prefix; -1 if it is none.
    private static int find(String word, String text) {
        for (int at = word.indexOf(text); at >= 0; at = word.indexOf(text, at + 1)) {
            int end = at + text.length();
            boolean begins = at == 0 || " ,:".indexOf(word.charAt(at - 1)) >= 0;
            if (begins && (end == word.length() || word.charAt(end) == ',')) {
                return at;
            }
        }
        return -1;
    }

    /// Whether the target of a disk of the service is the path of a file or a block device.
    public boolean isFile() {
        return !isRemote() && !target.startsWith(RBD);
    }

    /// Whether the target of a disk of the service is the address of a server that is not the service's own.
    public boolean isRemote() {
        return target.contains("://");
    }

    /// The limits that the service keeps.
    public DiskRates rates() {
        return serving.rates();
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.VBD;
    }

    @Override
    public OptionalInt id() {
        return OptionalInt.of(number);
    }

    /// This disk with a certain sector.
    ///
    /// @param bytes of the sector that the guest knows
    public DiskSpec withSector(int bytes) {
        return new DiskSpec(
                target,
                format,
                vdev,
                number,
                writable,
                backend,
                script,
                discard,
                directIoSafe,
                trusted,
                cdrom,
                new DiskServing(serving.rates(), bytes, serving.aio(), serving.keyFile()));
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
        SequencedMap<String, String> front = DeviceContents.front(device);
        front.put("virtual-device", Integer.toString(device.id()));
        front.put("device-type", type());
        front.put("trusted", DeviceContents.flag(trusted));
        return new DeviceContents(back, front, Map.of());
    }

    private String type() {
        return cdrom ? "cdrom" : "disk";
    }
}
