package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.GuestWidth;
import java.util.List;

/// The layout of one C structure of a guest-visible interface, for both widths, from one declaration:
///
/// ```java
/// private static final StructBuilder S = GuestStruct.declare("struct evtchn_bind_virq");
/// public static final U32 VIRQ = S.u32("virq");
/// public static final U32 VCPU = S.u32("vcpu");
/// public static final U32 PORT = S.u32("port");
/// public static final GuestStruct STRUCT = S.build();
/// ```
///
/// Fields are declared in the order of the header; static initialisers run in that order.
public final class GuestStruct {
    /// One declared field. `name` is a C member designator, such as `u.interdomain.port`.
    public record Member(String name, GuestField field) {}

    private final String name;
    private final int size32;
    private final int size64;
    private final List<Member> members;

    GuestStruct(String name, int size32, int size64, List<Member> members) {
        this.name = name;
        this.size32 = size32;
        this.size64 = size64;
        this.members = members;
    }

    /// Begins a declaration.
    ///
    /// @param name the C type, such as `struct evtchn_send` or `gnttab_copy_t`
    public static StructBuilder declare(String name) {
        return new StructBuilder(name);
    }

    /// The C type.
    public String name() {
        return name;
    }

    /// `sizeof` in that width, in bytes.
    public int size(GuestWidth width) {
        return width == GuestWidth.BITS_64 ? size64 : size32;
    }

    /// All declared fields, in order.
    public List<Member> members() {
        return members;
    }

    @Override
    public String toString() {
        return name;
    }
}
