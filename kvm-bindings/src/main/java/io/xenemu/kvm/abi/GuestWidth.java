package io.xenemu.kvm.abi;

/// The width of a guest's `long` and pointers, which selects between the two layouts of Xen's public structures.
public enum GuestWidth {
    BITS_32(4),
    BITS_64(8);

    private final int bytes;

    GuestWidth(int bytes) {
        this.bytes = bytes;
    }

    /// Size of `unsigned long` and of pointers, in bytes.
    public int bytes() {
        return bytes;
    }
}
