package io.xenemu.core.boot;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;

/// A boot loader that is a PVH image, and finds the kernel on the guest's own disks. The guest starts with it at each
/// boot, so a kernel that the guest has installed for itself is used from its next boot on.
public enum BootLoader {
    /// GRUB for Xen's PVH guests. It looks for `/boot/grub/grub.cfg`, then for `/grub/grub.cfg`, on all disks and
    /// partitions.
    PVGRUB("pvgrub", "grub-xen-host", Path.of("/usr/lib/grub-xen/grub-i386-xen_pvh.bin"));

    /// The other words that xl's `firmware` has. No Debian package has a PVH image of these.
    private static final Set<String> UNKNOWN =
            Set.of("bios", "ovmf", "pvgrub32", "pvgrub64", "rombios", "seabios", "uefi");

    private final String word;
    private final String debianPackage;
    private final Path file;

    BootLoader(String word, String debianPackage, Path file) {
        this.word = word;
        this.debianPackage = debianPackage;
        this.file = file;
    }

    /// The file of a firmware that an operator names.
    ///
    /// @param text the name of a loader, or a path
    /// @throws IllegalArgumentException for a firmware that cannot be had by its name
    public static Path fileOf(String text) {
        if (UNKNOWN.contains(text)) {
            throw new IllegalArgumentException(
                    "Debian has no '%s' for PVH guests; name a file".formatted(text));
        }
        return named(text).map(BootLoader::file).orElseGet(() -> Path.of(text));
    }

    /// Whether a text is the name of a firmware, and no path.
    public static boolean isName(String text) {
        return UNKNOWN.contains(text) || named(text).isPresent();
    }

    private static Optional<BootLoader> named(String text) {
        return Arrays.stream(values()).filter(loader -> loader.word.equals(text)).findFirst();
    }

    /// The loader that has this file, if there is one.
    static Optional<BootLoader> at(Path file) {
        return Arrays.stream(values()).filter(loader -> loader.file.equals(file)).findFirst();
    }

    /// Its name for an operator.
    public String word() {
        return word;
    }

    /// The file that its package installs.
    public Path file() {
        return file;
    }

    /// The words that follow when the file is missing.
    String advice() {
        return "; the package " + debianPackage + " has it";
    }
}
