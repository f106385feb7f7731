package io.xenemu.core.backend.nbd;

import java.util.Arrays;
import java.util.Optional;

/// The formats of disk images that QEMU serves to a guest, beside raw.
public enum ImageFormat {
    QCOW("qcow", "qcow"),
    QCOW2("qcow2", "qcow2"),
    QED("qed", "qed"),
    VDI("vdi", "vdi"),
    /// Microsoft's, and Xen's blktap's.
    VHD("vhd", "vpc"),
    VHDX("vhdx", "vhdx"),
    VMDK("vmdk", "vmdk");

    private final String word;
    private final String driver;

    ImageFormat(String word, String driver) {
        this.word = word;
        this.driver = driver;
    }

    /// The format by xl's word for it, `vhd`; of those that xl does not have by QEMU's.
    public static Optional<ImageFormat> of(String word) {
        return Arrays.stream(values()).filter(format -> format.word.equals(word)).findFirst();
    }

    /// The name of QEMU's driver.
    String driver() {
        return driver;
    }
}
