package io.xenemu.core.toolstack;

/// A kind of device that a driver domain can serve.
public enum DeviceKind {
    /// A disk.
    VBD("vbd", "xen-blkback"),
    /// A network interface.
    VIF("vif", "xen-netback");

    private final String directory;
    private final String driver;

    DeviceKind(String directory, String driver) {
        this.directory = directory;
        this.driver = driver;
    }

    /// The kind's name in XenStore's paths.
    public String directory() {
        return directory;
    }

    /// The name of Linux's driver for the back end.
    String driver() {
        return driver;
    }
}
