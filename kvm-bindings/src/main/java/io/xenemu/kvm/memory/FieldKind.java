package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.GuestWidth;

/// The C types of Xen's public structures, with their sizes and alignments in the i386 and the x86-64 ABI.
public enum FieldKind {
    /// `uint8_t`, `char`.
    U8(1, 1, 1, 1),
    /// `uint16_t`, `domid_t`, `int16_t`.
    U16(2, 2, 2, 2),
    /// `uint32_t`, `int`.
    U32(4, 4, 4, 4),
    /// `uint64_t`: i386 aligns it to 4 bytes inside structures.
    U64(8, 4, 8, 8),
    /// `uint64_aligned_t`, `XEN_GUEST_HANDLE_64`.
    U64_ALIGNED(8, 8, 8, 8),
    /// `unsigned long`, `xen_ulong_t`, `xen_pfn_t`, pointers, `XEN_GUEST_HANDLE`.
    ULONG(4, 4, 8, 8);

    final int size32;
    final int align32;
    final int size64;
    final int align64;

    FieldKind(int size32, int align32, int size64, int align64) {
        this.size32 = size32;
        this.align32 = align32;
        this.size64 = size64;
        this.align64 = align64;
    }

    /// Size in bytes.
    public int size(GuestWidth width) {
        return width == GuestWidth.BITS_64 ? size64 : size32;
    }
}
