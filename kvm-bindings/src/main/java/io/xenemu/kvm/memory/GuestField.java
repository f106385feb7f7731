package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.GuestWidth;

/// A handle to one field of a [GuestStruct]: its offset in the 32-bit and in the 64-bit layout. The type is the C
/// type, so a getter of the wrong width does not compile, and using a handle looks nothing up. Only [StructBuilder]
/// makes handles; keep them in `static final` fields.
public sealed interface GuestField {
    /// Bytes from the start of the 32-bit layout.
    int offset32();

    /// Bytes from the start of the 64-bit layout.
    int offset64();

    /// Bytes from the start of the structure in this width's layout.
    default int offset(GuestWidth width) {
        return width == GuestWidth.BITS_64 ? offset64() : offset32();
    }

    /// Size in bytes in this width's layout.
    int size(GuestWidth width);

    /// `uint8_t`.
    record U8(int offset32, int offset64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return 1;
        }
    }

    /// `uint16_t`, `domid_t`.
    record U16(int offset32, int offset64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return 2;
        }
    }

    /// `int16_t`.
    record S16(int offset32, int offset64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return 2;
        }
    }

    /// `uint32_t`, `unsigned int`.
    record U32(int offset32, int offset64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return 4;
        }
    }

    /// `int32_t`, `int`.
    record S32(int offset32, int offset64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return 4;
        }
    }

    /// `uint64_t` or `uint64_aligned_t`; they differ in their alignment on i386.
    record U64(int offset32, int offset64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return 8;
        }
    }

    /// `unsigned long`, `xen_ulong_t`, `xen_pfn_t`: 4 or 8 bytes.
    record Ulong(int offset32, int offset64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return width.bytes();
        }
    }

    /// A pointer or `XEN_GUEST_HANDLE`: a linear address of 4 or 8 bytes.
    record Handle(int offset32, int offset64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return width.bytes();
        }
    }

    /// An array, or nested structures, treated as bytes.
    record Bytes(int offset32, int offset64, int size32, int size64) implements GuestField {
        @Override
        public int size(GuestWidth width) {
            return width == GuestWidth.BITS_64 ? size64 : size32;
        }
    }

    /// An array of one unsigned number type.
    record Array(FieldKind kind, int offset32, int offset64, int count32, int count64)
            implements GuestField {
        /// Number of elements.
        public int count(GuestWidth width) {
            return width == GuestWidth.BITS_64 ? count64 : count32;
        }

        /// Offset of one element from the start of the structure, in bytes.
        ///
        /// @throws IndexOutOfBoundsException outside 0 to count - 1
        public int offset(GuestWidth width, int index) {
            if (index < 0 || index >= count(width)) {
                throw new IndexOutOfBoundsException(index);
            }
            return offset(width) + index * kind.size(width);
        }

        @Override
        public int size(GuestWidth width) {
            return count(width) * kind.size(width);
        }
    }
}
