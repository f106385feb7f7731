package io.xenemu.kvm.memory;

import java.util.ArrayList;
import java.util.List;

/// Places the fields of a [GuestStruct] by the rules of both C ABIs, and returns their handles. A union is
/// `union(kind)…or()…end()`; after each `or()`, members are placed from its start again:
///
/// ```java
/// U16 UNBOUND_DOM = S.union(FieldKind.U32).u16("u.unbound.dom");
/// U16 INTERDOMAIN_DOM = S.or().u16("u.interdomain.dom");
/// U32 INTERDOMAIN_PORT = S.u32("u.interdomain.port");
/// ```
///
/// Used while classes initialise, by one thread; a wrong declaration throws `IllegalStateException`.
public final class StructBuilder {
    private final String name;
    private final List<GuestStruct.Member> members = new ArrayList<>();
    private final Cursor narrow = new Cursor();
    private final Cursor wide = new Cursor();
    private boolean built;

    StructBuilder(String name) {
        this.name = name;
    }

    /// `uint8_t`.
    public GuestField.U8 u8(String field) {
        place(FieldKind.U8, 1, 1);
        return add(field, new GuestField.U8(narrow.placed, wide.placed));
    }

    /// `uint16_t`, `domid_t`.
    public GuestField.U16 u16(String field) {
        place(FieldKind.U16, 1, 1);
        return add(field, new GuestField.U16(narrow.placed, wide.placed));
    }

    /// `int16_t`.
    public GuestField.S16 s16(String field) {
        place(FieldKind.U16, 1, 1);
        return add(field, new GuestField.S16(narrow.placed, wide.placed));
    }

    /// `uint32_t`, `unsigned int`.
    public GuestField.U32 u32(String field) {
        place(FieldKind.U32, 1, 1);
        return add(field, new GuestField.U32(narrow.placed, wide.placed));
    }

    /// `int32_t`, `int`.
    public GuestField.S32 s32(String field) {
        place(FieldKind.U32, 1, 1);
        return add(field, new GuestField.S32(narrow.placed, wide.placed));
    }

    /// `uint64_t`.
    public GuestField.U64 u64(String field) {
        place(FieldKind.U64, 1, 1);
        return add(field, new GuestField.U64(narrow.placed, wide.placed));
    }

    /// `uint64_aligned_t`.
    public GuestField.U64 u64Aligned(String field) {
        place(FieldKind.U64_ALIGNED, 1, 1);
        return add(field, new GuestField.U64(narrow.placed, wide.placed));
    }

    /// `unsigned long`, `xen_ulong_t`, `xen_pfn_t`.
    public GuestField.Ulong ulong(String field) {
        place(FieldKind.ULONG, 1, 1);
        return add(field, new GuestField.Ulong(narrow.placed, wide.placed));
    }

    /// A pointer or `XEN_GUEST_HANDLE`.
    public GuestField.Handle handle(String field) {
        place(FieldKind.ULONG, 1, 1);
        return add(field, new GuestField.Handle(narrow.placed, wide.placed));
    }

    /// An array of bytes.
    public GuestField.Bytes bytes(String field, int size) {
        place(FieldKind.U8, size, size);
        return add(field, new GuestField.Bytes(narrow.placed, wide.placed, size, size));
    }

    /// An array with the same number of elements in both widths.
    public GuestField.Array array(String field, FieldKind kind, int count) {
        return array(field, kind, count, count);
    }

    /// An array with a number of elements for each width.
    public GuestField.Array array(String field, FieldKind kind, int count32, int count64) {
        place(kind, count32, count64);
        return add(field, new GuestField.Array(kind, narrow.placed, wide.placed, count32, count64));
    }

    /// Aligns the next field to `kind`: needed where a nested structure with such a member begins, and where it ends.
    public StructBuilder align(FieldKind kind) {
        place(kind, 0, 0);
        return this;
    }

    /// Begins a union whose most aligned member is a `kind`.
    public StructBuilder union(FieldKind kind) {
        align(kind);
        narrow.union(kind.align32);
        wide.union(kind.align64);
        return this;
    }

    /// Begins the next member of the union.
    public StructBuilder or() {
        narrow.or();
        wide.or();
        return this;
    }

    /// Ends the union after its longest member.
    public StructBuilder end() {
        narrow.end();
        wide.end();
        return this;
    }

    /// Ends the declaration; an open union is ended, and the structure is padded to its own alignment.
    public GuestStruct build() {
        return finish(narrow.aligned(), wide.aligned());
    }

    /// Ends the declaration of a packed structure, which has no padding at its end. It must have none inside either.
    public GuestStruct buildPacked() {
        return finish(narrow.next, wide.next);
    }

    private GuestStruct finish(int size32, int size64) {
        built = true;
        return new GuestStruct(name, size32, size64, List.copyOf(members));
    }

    private void place(FieldKind kind, int count32, int count64) {
        if (built) {
            throw new IllegalStateException(name + " is complete");
        }
        narrow.place(kind.size32 * count32, kind.align32);
        wide.place(kind.size64 * count64, kind.align64);
    }

    private <F extends GuestField> F add(String field, F handle) {
        for (GuestStruct.Member member : members) {
            if (member.name().equals(field)) {
                throw new IllegalStateException(name + " has two fields " + field);
            }
        }
        members.add(new GuestStruct.Member(field, handle));
        return handle;
    }

    /// The offset of the next field in one of the two layouts.
    private static final class Cursor {
        private static final int NO_UNION = -1;

        private int next;
        private int placed;
        private int alignment = 1;
        private int unionStart = NO_UNION;
        private int unionAlignment;
        private int unionEnd;

        void place(int size, int align) {
            alignment = Math.max(alignment, align);
            next = roundUp(next, align);
            placed = next;
            next += size;
        }

        void union(int align) {
            if (unionStart != NO_UNION) {
                throw new IllegalStateException("unions do not nest");
            }
            unionStart = next;
            unionEnd = next;
            unionAlignment = align;
        }

        void or() {
            if (unionStart == NO_UNION) {
                throw new IllegalStateException("not in a union");
            }
            unionEnd = Math.max(unionEnd, next);
            next = unionStart;
        }

        void end() {
            or();
            next = roundUp(unionEnd, unionAlignment);
            unionStart = NO_UNION;
        }

        int aligned() {
            if (unionStart != NO_UNION) {
                end();
            }
            return roundUp(next, alignment);
        }

        private static int roundUp(int value, int align) {
            return (value + align - 1) & -align;
        }
    }
}
