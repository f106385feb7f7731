package io.xenemu.core.toolstack;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Parses the specification of a disk with xl's grammar (libxlu_disk_l.l), including old forms. Parts are separated
/// by commas. Parts without a key are, in this order, target, format, vdev and access; after a [DiskPrefix] there is
/// no format. The key `target` takes the rest of the word. Values that xl knows but neither the service nor a Linux
/// back end in another domain serves are refused as not supported. The words of
/// [DiskServing] are not xl's.
public final class DiskSpecParser {
    static final String TARGET = "target=";
    static final String KEY_FILE = "key-file";

    /// Formats that the service serves, and a Linux back end does not: xl's, and others of QEMU's.
    private static final Set<String> OTHER_FORMATS =
            Set.of("qcow", "qcow2", "vhd", "qed", "vhdx", "vmdk", "vdi", "luks");

    private static final Set<String> UNSUPPORTED =
            Set.of(
                    "colo",
                    "colo-host",
                    "colo-port",
                    "colo-export",
                    "active-disk",
                    "hidden-disk",
                    "grant_usage",
                    "transport");

    private @Nullable String target;
    private @Nullable String format;
    private @Nullable String vdev;
    private @Nullable String backend;
    private @Nullable String script;
    private boolean prefixed;
    private boolean writable = true;
    private boolean accessSet;
    private boolean cdrom;
    private @Nullable Boolean discard;
    private boolean directIoSafe;
    private boolean trusted = true;
    private long requests;
    private long bytes;
    private int sectorBytes;
    private DiskAio aio = DiskAio.AUTO;
    private @Nullable String keyFile;

    /// Parses one word.
    void read(String word) throws Refused {
        String rest = word.stripLeading();
        while (!rest.isEmpty()) {
            if (rest.startsWith(TARGET)) {
                target = once("target", target, rest.substring(TARGET.length()));
                return;
            }
            Optional<DiskPrefix> prefix = isServer(rest) ? Optional.empty() : DiskPrefix.of(rest);
            if (prefix.isPresent()) {
                prefixed(prefix.get());
                rest = rest.substring(prefix.get().length()).stripLeading();
                continue;
            }
            int comma = rest.indexOf(',');
            part(comma < 0 ? rest : rest.substring(0, comma));
            rest = comma < 0 ? "" : rest.substring(comma + 1).stripLeading();
        }
    }

    /// Whether a target begins that is the address of an NBD server, which xl does not have.
    private static boolean isServer(String text) {
        return text.startsWith("nbd://") || text.startsWith("nbd+unix://");
    }

    private void prefixed(DiskPrefix prefix) throws Refused {
        prefixed = true;
        if (!prefix.format().isEmpty()) {
            format(prefix.format());
        }
        if (!prefix.script().isEmpty()) {
            script = once("script", script, prefix.script());
        }
    }

    private void part(String part) throws Refused {
        int equals = isServer(part) ? -1 : part.indexOf('=');
        if (equals >= 0) {
            keyed(part.substring(0, equals), part.substring(equals + 1));
        } else if (!isFlag(part)) {
            positional(part);
        }
    }

    private void keyed(String key, String value) throws Refused {
        switch (key) {
            case "format" -> format(value);
            case "vdev" -> vdev = once(key, vdev, value);
            case "access" -> access(value);
            case "backend" -> backend = once(key, backend, value);
            case "script" -> script = once(key, script, value);
            case "devtype" -> deviceType(value);
            case "iops" -> requests = DiskRates.parse(key, value, false);
            case "bps" -> bytes = DiskRates.parse(key, value, true);
            case "sector-size" -> sectorBytes = DiskServing.sector(value);
            case "aio" -> aio = DiskAio.parse(value);
            case KEY_FILE -> keyFile = once(key, keyFile, value);
            case "backendtype" -> only("phy", key, value);
            case "specification" -> only("xen", key, value);
            default ->
                    throw new Refused(
                            UNSUPPORTED.contains(key)
                                    ? key + ": not supported"
                                    : "unknown parameter of a disk: " + key);
        }
    }

    private boolean isFlag(String part) throws Refused {
        switch (part) {
            case "cdrom" -> cdrom = true;
            case "discard" -> discard = true;
            case "no-discard" -> discard = false;
            case "direct-io-safe" -> directIoSafe = true;
            case "trusted" -> trusted = true;
            case "untrusted" -> trusted = false;
            case "no-colo" -> {
                // Accepted without effect.
            }
            default -> {
                if (UNSUPPORTED.contains(part)) {
                    throw new Refused(part + ": not supported");
                }
                return false;
            }
        }
        return true;
    }

    private void positional(String part) throws Refused {
        if (target == null) {
            target = part;
        } else if (!prefixed && format == null) {
            // In an empty drive's specification, the vdev and the type are at this place.
            if (target.isEmpty() && part.contains(":")) {
                vdevAndType(part);
            } else {
                format(part);
            }
        } else if (vdev == null) {
            vdevAndType(part);
        } else if (!accessSet) {
            accessSet = true;
            access(part);
        } else {
            throw new Refused("too many parameters of a disk: " + part);
        }
    }

    /// Parses `xvda`, or the old form `hdc:cdrom`.
    private void vdevAndType(String part) throws Refused {
        int colon = part.lastIndexOf(':');
        vdev = once("vdev", vdev, colon < 0 ? part : part.substring(0, colon));
        if (colon >= 0) {
            deviceType(part.substring(colon + 1));
        }
    }

    private void deviceType(String value) throws Refused {
        cdrom =
                switch (value) {
                    case "cdrom" -> true;
                    case "disk" -> false;
                    default -> throw new Refused("unknown type of a disk: " + value);
                };
    }

    private void format(String value) throws Refused {
        if (value.equals("empty")) {
            throw new Refused("format empty: not supported, a target is needed");
        }
        if (!value.isEmpty() && !value.equals(DiskSpec.RAW) && !OTHER_FORMATS.contains(value)) {
            throw new Refused("unknown format of a disk: " + value);
        }
        format = value.isEmpty() ? DiskSpec.RAW : value;
    }

    private void access(String value) throws Refused {
        writable =
                switch (value) {
                    case "r", "ro" -> false;
                    case "w", "rw", "" -> true;
                    default -> throw new Refused("unknown access to a disk: " + value);
                };
    }

    private static void only(String supported, String key, String value) throws Refused {
        if (!value.equals(supported)) {
            throw new Refused(key + "=" + value + ": not supported, only " + supported + " is");
        }
    }

    private static String once(String key, @Nullable String before, String value) throws Refused {
        if (before != null && !before.isEmpty()) {
            throw new Refused(key + ": given twice");
        }
        return value;
    }

    /// The parsed disk.
    DiskSpec result() throws Refused {
        if (vdev == null || vdev.isEmpty()) {
            throw new Refused("no vdev given: the disk needs a name in the guest");
        }
        OptionalInt number = VirtualDisk.number(vdev);
        if (number.isEmpty()) {
            throw new Refused("'" + vdev + "' is not a virtual disk's name");
        }
        if (cdrom && (target == null || target.isEmpty())) {
            throw new Refused("an empty CD-ROM drive: not supported, a target is needed");
        }
        if (target == null || target.isEmpty()) {
            throw new Refused("no target given: the disk needs a path on the back end");
        }
        boolean write = writable && !cdrom;
        DiskSpec disk =
                new DiskSpec(
                        target,
                        format == null ? DiskSpec.RAW : format,
                        vdev,
                        number.getAsInt(),
                        write,
                        backend == null || backend.isEmpty() ? DeviceSpec.SERVICE : backend,
                        script == null || script.isEmpty() ? DiskSpec.DEFAULT_SCRIPT : script,
                        discard == null ? write : discard,
                        directIoSafe,
                        trusted,
                        cdrom,
                        new DiskServing(
                                new DiskRates(requests, bytes),
                                sectorBytes,
                                aio,
                                keyFile == null ? "" : keyFile));
        if (!disk.isByService() && !disk.format().equals(DiskSpec.RAW)) {
            throw new Refused("format " + format + ": only the service serves it, not a guest");
        }
        if (!disk.isByService() && disk.rates().isLimited()) {
            throw new Refused("iops and bps: only the service keeps them, not a guest");
        }
        if (!disk.isByService() && !disk.serving().equals(DiskServing.DEFAULT)) {
            throw new Refused(
                    "sector-size, aio and key-file: only the service serves them, not a guest");
        }
        return disk;
    }
}
