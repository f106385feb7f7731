package io.xenemu.core.backend.nbd;

import java.util.Arrays;
import java.util.Optional;

/// The formats of disk images that QEMU serves to a guest.
public enum ImageFormat {
    /// Only for images that are neither files nor block devices: those the service serves itself.
    RAW("raw", "raw"),
    QCOW("qcow", "qcow"),
    /// With a key: encrypted with LUKS.
    QCOW2("qcow2", "qcow2"),
    QED("qed", "qed"),
    VDI("vdi", "vdi"),
    /// Microsoft's, and Xen's blktap's.
    VHD("vhd", "vpc"),
    VHDX("vhdx", "vhdx"),
    VMDK("vmdk", "vmdk"),
    /// Raw, encrypted.
    LUKS("luks", "luks");

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

    /// Whether an image of this format can be encrypted.
    boolean takesKey() {
        return this == LUKS || this == QCOW2;
    }

    /// QEMU's setting that names the key.
    ///
    /// @param key the name of QEMU's object that has it
    String keyJson(String key) {
        return this == LUKS
                ? "\"key-secret\":\"%s\"".formatted(key)
                : "\"encrypt\":{\"format\":\"luks\",\"key-secret\":\"%s\"}".formatted(key);
    }

    @Override
    public String toString() {
        return word;
    }
}
