package io.xenemu.core.toolstack;

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
