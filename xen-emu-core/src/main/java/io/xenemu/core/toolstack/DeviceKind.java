package io.xenemu.core.toolstack;

import org.jspecify.annotations.Nullable;

/// A kind of device that the service or a driver domain can serve.
public enum DeviceKind {
    /// A disk.
    VBD("vbd", "xen-blkback", "disks"),
    /// A network interface.
    VIF("vif", "xen-netback", "network interfaces"),
    /// A share of a folder. Linux has no driver for its back end.
    P9("9pfs", "a 9pfs back end", "9pfs shares"),
    /// A console beside the first one, or a channel.
    CONSOLE("console", "a console back end", "consoles");

    private final String directory;
    private final String driver;
    private final String plural;

    DeviceKind(String directory, String driver, String plural) {
        this.directory = directory;
        this.driver = driver;
        this.plural = plural;
    }

    /// Finds a kind by its name in XenStore's paths; null if there is none.
    public static @Nullable DeviceKind ofDirectory(String directory) {
        for (DeviceKind kind : values()) {
            if (kind.directory.equals(directory)) {
                return kind;
            }
        }
        return null;
    }

    /// The kind's name in XenStore's paths.
    public String directory() {
        return directory;
    }

    /// The word for devices of the kind.
    String plural() {
        return plural;
    }

    /// The name of Linux's driver for the back end.
    String driver() {
        return driver;
    }
}
