package io.xenemu.core.xenimage;

import com.google.common.base.CharMatcher;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonException;
import io.xenemu.core.json.JsonReader;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// The configuration of a guest in the header of xl: libxl's `libxl_domain_config`. Members with libxl's default are
/// not in it.
///
/// @param name the guest's name
/// @param uuid its unique identifier
/// @param vcpus the number of its vCPUs
/// @param onlineVcpus how many of them it uses at first
/// @param maxMemoryKib the memory that it may have, in KiB
/// @param memoryKib the memory that it has, in KiB
/// @param kernel its kernel on the host that saved it; null if the configuration does not name one
/// @param ramdisk its initramfs there, if it has one
/// @param commandLine the kernel's
/// @param isNativeTsc whether its time stamp counter is never emulated (`tsc_mode`)
/// @param disks the words of each disk, as in xl.cfg(5)
/// @param nics those of each network interface
/// @param ends the action after each kind of stop in xl's words, by the names in xl.cfg(5)
public record XlConfig(
        String name,
        UUID uuid,
        int vcpus,
        int onlineVcpus,
        long maxMemoryKib,
        long memoryKib,
        @Nullable String kernel,
        @Nullable String ramdisk,
        String commandLine,
        boolean isNativeTsc,
        List<String> disks,
        List<String> nics,
        Map<String, String> ends) {
    private static final int MAX_DEVICES = 256;

    /// Larger than any number of a guest, in KiB too, so that sums do not overflow.
    private static final long MAX_NUMBER = 1L << 40;

    /// The members with devices that cannot be had here, by the words for them.
    private static final Map<String, String> FOREIGN =
            Map.ofEntries(
                    Map.entry("pcidevs", "PCI devices"),
                    Map.entry("dtdevs", "devices of a device tree"),
                    Map.entry("vfbs", "virtual frame buffers"),
                    Map.entry("vkbs", "virtual keyboards"),
                    Map.entry("virtios", "virtio devices"),
                    Map.entry("vtpms", "virtual TPMs"),
                    Map.entry("p9s", "9pfs shares, which a guest loses when it is suspended"),
                    Map.entry("pvcallsifs", "PV sockets"),
                    Map.entry("vdispls", "virtual displays"),
                    Map.entry("vsnds", "virtual sound cards"),
                    Map.entry("channels", "channels"),
                    Map.entry("usbctrls", "virtual USB controllers"),
                    Map.entry("usbdevs", "USB devices"));

    public XlConfig {
        disks = List.copyOf(disks);
        nics = List.copyOf(nics);
        ends = Map.copyOf(ends);
    }

    /// Reads a configuration.
    ///
    /// @throws WireException if it is none, or that of a guest which cannot be imported
    static XlConfig parse(String json) throws WireException {
        try {
            if (JsonReader.read(json) instanceof Json.Obj config) {
                return of(config);
            }
            throw new WireException("the guest's configuration is no JSON object");
        } catch (JsonException e) {
            throw new WireException("the guest's configuration: " + shown(e.getMessage()), e);
        }
    }

    private static XlConfig of(Json.Obj config) throws WireException {
        Json.Obj create = object(config, "c_info");
        Json.Obj build = object(config, "b_info");
        requirePvh(create);
        requireNoForeignDevices(config);
        if (truth(build, "nested_hvm")) {
            throw new WireException("it may have guests of its own, and cannot be imported");
        }
        int vcpus = vcpus(build);
        long memory = number(build, "max_memkb", 0);
        if (memory == 0 || memory > GuestMemoryMap.MAX_BYTES >> 10) {
            throw new WireException("it has " + memory + " KiB of memory");
        }
        return new XlConfig(
                text(create, "name", ""),
                uuid(text(create, "uuid", "")),
                vcpus,
                onlineVcpus(build, vcpus),
                memory,
                number(build, "target_memkb", memory),
                build.text("kernel"),
                build.text("ramdisk"),
                text(build, "cmdline", ""),
                text(build, "tsc_mode", "default").equalsIgnoreCase("native"),
                devices(config, "disks", XlConfig::disk),
                devices(config, "nics", XlConfig::nic),
                Map.of(
                        "on_poweroff", action(config, "on_poweroff"),
                        "on_reboot", action(config, "on_reboot"),
                        "on_crash", action(config, "on_crash"),
                        "on_watchdog", action(config, "on_watchdog"),
                        "on_soft_reset", action(config, "on_soft_reset")));
    }

    private static int vcpus(Json.Obj build) throws WireException {
        long vcpus = number(build, "max_vcpus", 1);
        if (vcpus < 1 || vcpus > HvmContext.MAX_VCPUS) {
            throw new WireException("it has " + vcpus + " vCPUs");
        }
        return Math.toIntExact(vcpus);
    }

    private static void requirePvh(Json.Obj create) throws WireException {
        String type = text(create, "type", "of no kind").toLowerCase(Locale.ROOT);
        switch (type) {
            case "pvh" -> {}
            case "hvm" ->
                    throw new WireException(
                            "it is an HVM guest with a device model, and only PVH guests can be"
                                    + " imported");
            case "pv" ->
                    throw new WireException(
                            "it is a PV guest, and only PVH guests can be imported");
            default -> throw new WireException("the guest's type is unknown: " + shown(type));
        }
    }

    private static void requireNoForeignDevices(Json.Obj config) throws WireException {
        for (Map.Entry<String, Json> member : config.members().entrySet()) {
            String words = FOREIGN.get(member.getKey());
            if (words != null
                    && member.getValue() instanceof Json.Array array
                    && !array.values().isEmpty()) {
                throw new WireException("it has " + words + ", which cannot be imported");
            }
        }
    }

    /// libxl's set of the vCPUs that are online is their numbers.
    private static int onlineVcpus(Json.Obj build, int vcpus) {
        return build.find("avail_vcpus") instanceof Json.Array set && !set.values().isEmpty()
                ? Math.min(set.values().size(), vcpus)
                : vcpus;
    }

    /// Makes the words of a device from its object.
    private interface DeviceWords {
        String of(Json.Obj device, int number) throws WireException;
    }

    private static List<String> devices(Json.Obj config, String member, DeviceWords words)
            throws WireException {
        List<String> devices = new ArrayList<>();
        if (config.find(member) instanceof Json.Array array) {
            if (array.values().size() > MAX_DEVICES) {
                throw new WireException(array.values().size() + " devices in " + member);
            }
            for (Json value : array.values()) {
                if (!(value instanceof Json.Obj device)) {
                    throw new WireException("a member of " + member + " is no object");
                }
                requireOwnBackend(member, device);
                devices.add(words.of(device, devices.size()));
            }
        }
        return devices;
    }

    private static void requireOwnBackend(String member, Json.Obj device) throws WireException {
        if (number(device, "backend_domid", 0) != 0
                || !text(device, "backend_domname", "").isEmpty()) {
            throw new WireException(
                    "a device in "
                            + member
                            + " is served by a driver domain, and cannot be imported");
        }
    }

    private static String disk(Json.Obj device, int number) throws WireException {
        String path = text(device, "pdev_path", "");
        String vdev = text(device, "vdev", "");
        if (!text(device, "script", "").isEmpty()) {
            throw new WireException("disk " + shown(vdev) + " is made by a script");
        }
        if (truth(device, "is_cdrom") || truth(device, "colo_enable")) {
            throw new WireException("disk " + shown(vdev) + " is no plain disk");
        }
        String format = text(device, "format", "raw").toLowerCase(Locale.ROOT);
        String access = truth(device, "readwrite") ? "rw" : "ro";
        return "format=%s,vdev=%s,access=%s,target=%s"
                .formatted(plain(format), plain(vdev), access, path);
    }

    private static String nic(Json.Obj device, int number) throws WireException {
        List<String> words = new ArrayList<>();
        words.add("devid=" + number(device, "devid", number));
        for (String word : List.of("mac", "bridge", "script", "ip")) {
            add(words, word, text(device, word, ""));
        }
        add(words, "vifname", text(device, "ifname", ""));
        return String.join(",", words);
    }

    private static void add(List<String> words, String word, String value) throws WireException {
        if (!value.isEmpty()) {
            words.add(word + "=" + plain(value));
        }
    }

    /// A value that cannot be taken for more words.
    private static String plain(String value) throws WireException {
        if (value.indexOf(',') >= 0) {
            throw new WireException("a device has a value with a comma: " + shown(value));
        }
        return value;
    }

    private static String action(Json.Obj config, String member) throws WireException {
        String action = text(config, member, "destroy").toLowerCase(Locale.ROOT);
        // libxl has the words the other way round.
        return action.equals("restart_rename") ? "rename-restart" : action.replace('_', '-');
    }

    private static UUID uuid(String text) throws WireException {
        try {
            return UUID.fromString(text);
        } catch (IllegalArgumentException e) {
            throw new WireException("the guest's uuid is none: " + shown(text), e);
        }
    }

    private static Json.Obj object(Json.Obj parent, String member) throws WireException {
        if (parent.find(member) instanceof Json.Obj object) {
            return object;
        }
        throw new WireException("the guest's configuration has no " + member);
    }

    private static String text(Json.Obj parent, String member, String otherwise)
            throws WireException {
        Json value = parent.find(member);
        if (value == null || value instanceof Json.Null) {
            return otherwise;
        }
        if (value instanceof Json.Text(String text)) {
            return text;
        }
        throw new WireException("the guest's configuration: " + member + " is no text");
    }

    /// @return 0 or more
    private static long number(Json.Obj parent, String member, long otherwise)
            throws WireException {
        Json value = parent.find(member);
        if (value == null) {
            return otherwise;
        }
        if (value instanceof Json.Int(long number) && number >= 0 && number <= MAX_NUMBER) {
            return number;
        }
        throw new WireException("the guest's configuration: " + member + " is no such number");
    }

    /// A flag: a number, a boolean, or the text of a `libxl_defbool`.
    private static boolean truth(Json.Obj parent, String member) {
        return switch (parent.find(member)) {
            case Json.Bool(boolean truth) -> truth;
            case Json.Int(long number) -> number != 0;
            case Json.Text(String text) -> text.equalsIgnoreCase("true");
            case null, default -> false;
        };
    }

    /// A text of the image in a message: without characters that a terminal obeys.
    private static String shown(@Nullable String text) {
        return CharMatcher.javaIsoControl().replaceFrom(String.valueOf(text), '?');
    }
}
