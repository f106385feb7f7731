package io.xenemu.core.xlcfg;

import com.google.common.collect.ImmutableListMultimap;
import io.xenemu.core.guest.GuestSetting;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a guest starts with: its type, and the keys of kernel, boot loader and shim, which count together.
///
/// A PV guest starts in Xen's shim, a PVH image that gives its one guest the PV interface. Without a kernel, GRUB in
/// the guest finds one on its disks, in place of xl's pygrub on the host.
///
/// @param type the guest's
/// @param hasDeviceModel whether QEMU is its machine
/// @param settings those of its kernel
record XlStart(
        Type type, boolean hasDeviceModel, ImmutableListMultimap<GuestSetting, String> settings) {
    /// xl's types of guests.
    enum Type {
        PV,
        PVH,
        HVM
    }

    private static final String PVGRUB = "pvgrub";
    private static final String HVMLOADER = "hvmloader";
    private static final String SHIM_COMMAND_LINE = "pv-shim console=xen,pv";

    /// The shim corrects its clock all the time unless the TSC is promised to be invariant.
    private static final String SHIM_CPUID = "host,itsc=1";

    /// Where packages have the shim of each version of Xen.
    private static final Path LIBRARIES = Path.of("/usr/lib");

    private static final String SHIM = "boot/xen-shim";
    private static final List<String> EMULATED =
            List.of("bios", "uefi", "seabios", "rombios", "ovmf");

    /// The host's QEMU.
    private static final String QEMU = "qemu";

    /// Reads the keys.
    ///
    /// @param warnings gets further lines
    /// @throws XlCfgException if they contradict each other, or cannot be had
    static XlStart of(XlCfg cfg, List<String> warnings) throws XlCfgException {
        Type type = type(cfg);
        ImmutableListMultimap.Builder<GuestSetting, String> settings =
                ImmutableListMultimap.builder();
        String kernel = kernel(cfg, type, warnings);
        if (type == Type.HVM && (kernel.isEmpty() || cfg.find("device_model_override") != null)) {
            return ofDeviceModel(cfg, kernel, warnings);
        }
        String firmware = firmware(cfg, type);
        boolean isLoaded = isLoadedByGrub(cfg) || !firmware.isEmpty();
        if (type == Type.HVM) {
            warnings.add(
                    warning(
                            given(cfg, "type", "builder"),
                            "it starts as pvh, without emulated devices"));
        }
        boolean isInShim = type == Type.PV || flag(cfg, "pvshim");
        if (kernel.isEmpty()) {
            if (isLoaded) {
                settings.put(GuestSetting.FIRMWARE, firmware.isEmpty() ? PVGRUB : firmware);
            }
            XlSetting forKernel = given(cfg, "ramdisk", "cmdline", "root", "extra");
            if (forKernel != null) {
                warnings.add(
                        warning(
                                forKernel,
                                "it has no effect without a kernel: GRUB's menu has it"));
            }
            if (isInShim) {
                warnings.add(
                        warning(
                                given(cfg, "type", "builder", "pvshim", "bootloader"),
                                "GRUB in the guest starts its kernel as pvh"));
            }
        } else {
            String commandLine = commandLine(cfg, warnings);
            if (isInShim) {
                shim(cfg, kernel, commandLine, settings);
            } else {
                settings.put(GuestSetting.KERNEL, kernel);
                putUnlessEmpty(settings, GuestSetting.RAMDISK, text(cfg, "ramdisk"));
                putUnlessEmpty(settings, GuestSetting.CMDLINE, commandLine);
            }
        }
        return new XlStart(type, false, settings.build());
    }

    /// A guest whose machine is QEMU's. Its firmware starts it from a disk, or QEMU starts its kernel.
    private static XlStart ofDeviceModel(XlCfg cfg, String kernel, List<String> warnings)
            throws XlCfgException {
        ImmutableListMultimap.Builder<GuestSetting, String> settings =
                ImmutableListMultimap.builder();
        if (cfg.find("device_model_override") == null) {
            settings.put(GuestSetting.DEVICE_MODEL, QEMU);
        }
        XlSetting firmware = given(cfg, "firmware", "bios");
        putUnlessEmpty(settings, GuestSetting.FIRMWARE, firmware == null ? "" : firmware.text());
        if (kernel.isEmpty()) {
            XlSetting forKernel = given(cfg, "ramdisk", "cmdline", "root", "extra");
            if (forKernel != null) {
                warnings.add(warning(forKernel, "it has no effect without a kernel"));
            }
        } else {
            settings.put(GuestSetting.KERNEL, kernel);
            putUnlessEmpty(settings, GuestSetting.RAMDISK, text(cfg, "ramdisk"));
            putUnlessEmpty(settings, GuestSetting.CMDLINE, commandLine(cfg, warnings));
        }
        return new XlStart(Type.HVM, true, settings.build());
    }

    /// xl does not take its own firmware for a kernel.
    private static String kernel(XlCfg cfg, Type type, List<String> warnings)
            throws XlCfgException {
        XlSetting setting = cfg.find("kernel");
        if (setting == null) {
            return "";
        }
        String kernel = setting.text();
        if (type == Type.HVM && kernel.substring(kernel.lastIndexOf('/') + 1).equals(HVMLOADER)) {
            warnings.add(warning(setting, "it has no effect: hvmloader is no kernel"));
            return "";
        }
        return kernel;
    }

    private static void putUnlessEmpty(
            ImmutableListMultimap.Builder<GuestSetting, String> settings,
            GuestSetting setting,
            String text) {
        if (!text.isEmpty()) {
            settings.put(setting, text);
        }
    }

    private static void shim(
            XlCfg cfg,
            String kernel,
            String commandLine,
            ImmutableListMultimap.Builder<GuestSetting, String> settings)
            throws XlCfgException {
        XlSetting named = cfg.find("kernel");
        if (named != null && kernel.indexOf(' ') >= 0) {
            throw named.wrong("a kernel in the shim has a name without blanks");
        }
        settings.put(GuestSetting.KERNEL, shimFile(cfg));
        settings.put(GuestSetting.RAMDISK, (kernel + " " + commandLine).strip());
        putUnlessEmpty(settings, GuestSetting.RAMDISK, text(cfg, "ramdisk"));
        String own = text(cfg, "pvshim_cmdline");
        String extra = text(cfg, "pvshim_extra");
        settings.put(
                GuestSetting.CMDLINE,
                ((own.isEmpty() ? SHIM_COMMAND_LINE : own) + " " + extra).strip());
        if (cfg.find("cpuid") == null) {
            settings.put(GuestSetting.CPUID, SHIM_CPUID);
        }
    }

    private static String shimFile(XlCfg cfg) throws XlCfgException {
        String given = text(cfg, "pvshim_path");
        if (!given.isEmpty()) {
            return given;
        }
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> versions = Files.newDirectoryStream(LIBRARIES, "xen*")) {
            for (Path version : versions) {
                if (Files.isReadable(version.resolve(SHIM))) {
                    found.add(version.resolve(SHIM));
                }
            }
        } catch (IOException e) {
            // Then there is none.
        }
        XlSetting cause = given(cfg, "pvshim", "type", "builder", "kernel");
        String missing =
                "a PV guest needs Xen's shim, which the host does not have (Debian: xen-utils);"
                        + " pvshim_path names it, and type=\"pvh\" does without";
        if (found.isEmpty() && cause != null) {
            throw cause.wrong(missing);
        }
        return found.stream().max(Comparator.naturalOrder()).orElseThrow().toString();
    }

    /// xl takes each type by its beginning. A guest without one is PV.
    private static Type type(XlCfg cfg) throws XlCfgException {
        XlSetting type = cfg.find("type");
        XlSetting builder = cfg.find("builder");
        Type ofType = type == null ? null : type(type, "pv", "pvh");
        Type ofBuilder = builder == null ? null : type(builder, "generic", "generic");
        if (builder != null && ofType != null && ofType != ofBuilder) {
            throw builder.wrong("it contradicts type");
        }
        if (ofType != null) {
            return ofType;
        }
        return ofBuilder == null ? Type.PV : ofBuilder;
    }

    private static Type type(XlSetting setting, String pv, String pvh) throws XlCfgException {
        String word = setting.text();
        if (word.isEmpty()) {
            throw setting.wrong("it is empty");
        }
        if ("hvm".startsWith(word)) {
            return Type.HVM;
        }
        if (pv.startsWith(word)) {
            return Type.PV;
        }
        if (pvh.startsWith(word)) {
            return Type.PVH;
        }
        throw setting.wrong("there is no type '%s' of guests".formatted(word));
    }

    /// xl takes the names by their beginnings.
    private static String firmware(XlCfg cfg, Type type) throws XlCfgException {
        XlSetting setting = cfg.find("firmware");
        if (setting == null || setting.text().isEmpty()) {
            return "";
        }
        String word = setting.text();
        if (type == Type.HVM || EMULATED.contains(word)) {
            throw setting.wrong("it needs a device model, which type=\"hvm\" has");
        }
        if (!text(cfg, "kernel").isEmpty()) {
            throw setting.wrong("a guest with a kernel has none");
        }
        return "pvgrub32".startsWith(word) || "pvgrub64".startsWith(word) ? PVGRUB : word;
    }

    private static boolean isLoadedByGrub(XlCfg cfg) throws XlCfgException {
        XlSetting setting = cfg.find("bootloader");
        if (setting == null || setting.text().isEmpty()) {
            return false;
        }
        String program = setting.text();
        String name = program.substring(program.lastIndexOf('/') + 1);
        if (!name.equals("pygrub")) {
            throw setting.wrong("only pygrub can be had, which becomes GRUB in the guest");
        }
        return text(cfg, "kernel").isEmpty();
    }

    private static String commandLine(XlCfg cfg, List<String> warnings) throws XlCfgException {
        XlSetting whole = cfg.find("cmdline");
        String root = text(cfg, "root");
        String extra = text(cfg, "extra");
        if (whole != null) {
            if (!root.isEmpty() || !extra.isEmpty()) {
                warnings.add(warning(whole, "root and extra do not count beside it"));
            }
            return whole.text();
        }
        return ((root.isEmpty() ? "" : "root=" + root) + " " + extra).strip();
    }

    private static String text(XlCfg cfg, String name) throws XlCfgException {
        XlSetting setting = cfg.find(name);
        return setting == null ? "" : setting.text();
    }

    private static boolean flag(XlCfg cfg, String name) throws XlCfgException {
        XlSetting setting = cfg.find(name);
        return setting != null && setting.flag();
    }

    /// The first of several settings that is there.
    private static @Nullable XlSetting given(XlCfg cfg, String... names) {
        for (String name : names) {
            XlSetting setting = cfg.find(name);
            if (setting != null) {
                return setting;
            }
        }
        return null;
    }

    private static String warning(@Nullable XlSetting setting, String text) {
        return setting == null
                ? "warning: " + text
                : setting.place() + ": warning: " + setting.name() + ": " + text;
    }
}
