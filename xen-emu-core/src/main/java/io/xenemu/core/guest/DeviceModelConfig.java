package io.xenemu.core.guest;

import com.google.common.collect.ImmutableSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The device model of a guest: a QEMU with the machine's emulated devices and firmware, which the service starts.
///
/// @param program [#QEMU], or the path of one
/// @param kernel that the machine starts at once; empty for its firmware
/// @param modules initramfs of the kernel
/// @param commandLine the kernel's
/// @param firmware a file; empty for the machine's BIOS
/// @param boot letters of [#boot]
/// @param isAhci whether emulated disks are SATA, and not IDE
/// @param vnc QEMU's display; null for none
/// @param serial where its serial port goes: [#PTY], [#NONE], or what QEMU has for it
public record DeviceModelConfig(
        String program,
        String kernel,
        List<String> modules,
        String commandLine,
        String firmware,
        String boot,
        boolean isAhci,
        @Nullable String vnc,
        String serial) {
    /// The name for the QEMU that the host has installed.
    static final String QEMU = "qemu";

    static final String PTY = "pty";
    static final String NONE = "none";

    /// Where Debian's package `ovmf` has the firmware in one file.
    private static final String OVMF = "/usr/share/ovmf/OVMF.fd";

    /// Settings that nothing but a device model has.
    static final ImmutableSet<GuestSetting> SETTINGS =
            ImmutableSet.of(
                    GuestSetting.BOOT,
                    GuestSetting.HDTYPE,
                    GuestSetting.VNC,
                    GuestSetting.VNCLISTEN,
                    GuestSetting.VNCDISPLAY,
                    GuestSetting.SERIAL);

    private static final Set<String> BIOS = Set.of("", "bios", "seabios");
    private static final Set<String> UEFI = Set.of("ovmf", "uefi");

    public DeviceModelConfig {
        modules = List.copyOf(modules);
    }

    /// The file of a firmware.
    ///
    /// @param text xl's name for it, or a path
    /// @return empty for the BIOS of QEMU's own
    /// @throws IllegalArgumentException for another name
    static String firmware(String text) {
        if (BIOS.contains(text)) {
            return "";
        }
        if (UEFI.contains(text)) {
            return OVMF;
        }
        if (text.indexOf('/') < 0) {
            throw new IllegalArgumentException(
                    "a device model has bios, ovmf, or a file, and not '%s'".formatted(text));
        }
        return text;
    }

    /// Checks an order of devices: `c` for disks, `d` for CD-ROMs.
    ///
    /// @throws IllegalArgumentException for other letters
    static String boot(String letters) {
        for (int i = 0; i < letters.length(); i++) {
            switch (letters.charAt(i)) {
                case 'c', 'd' -> {}
                case 'n' ->
                        throw new IllegalArgumentException(
                                "n: there is no emulated network interface");
                default ->
                        throw new IllegalArgumentException(
                                "'%s' has other letters than c and d".formatted(letters));
            }
        }
        return letters;
    }

    /// QEMU's word for where VNC listens.
    static String display(String listen, int display) {
        return listen.indexOf(':') >= 0 ? listen : listen + ":" + display;
    }
}
