package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyReader;

/// The configuration of a saved guest, for its next boot, in a layout that this package does not know.
public final class SavedConfig {
    private final int version;
    private final byte[] bytes;

    /// @param bytes used without copying
    SavedConfig(int version, byte[] bytes) {
        this.version = version;
        this.bytes = bytes;
    }

    /// The version of the layout.
    public int version() {
        return version;
    }

    /// Its length in bytes.
    public int length() {
        return bytes.length;
    }

    /// Reads it, from the beginning.
    public BodyReader body() {
        return new BodyReader(bytes);
    }
}
